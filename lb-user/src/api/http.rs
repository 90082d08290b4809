//! Serving HTTP until told to stop.

use std::{future::Future, io, time::Duration};

use axum::{Router, serve::Listener};
use tokio::sync::oneshot;

/// How long answers under way may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Serves until `shutdown` resolves, then takes no more connections and waits for the answers under way, but
/// not for longer than [`GRACE`]: a peer may never let its own finish.
pub(crate) async fn serve<L>(
    listener: L,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let (stopping, stops) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        // Fails only if the server has ended by itself.
        let _ = stopping.send(());
    };
    let patience = async {
        // An error means that `shutdown` is gone, and so is the server.
        let _ = stops.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = async { axum::serve(listener, router).with_graceful_shutdown(shutdown).await } => served,
        () = patience => Ok(()),
    }
}
