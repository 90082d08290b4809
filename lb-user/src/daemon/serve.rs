//! The control socket and the metrics page, as tasks beside the daemon's own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tracing::{error, info};

use super::handle::Handle;
use crate::{api, metrics};

/// How long open requests may take at the end.
const GRACE: Duration = Duration::from_secs(1);

/// What is being served.
#[derive(Debug)]
pub(super) struct Servers {
    api: (watch::Sender<()>, JoinHandle<()>),
    metrics: Option<(SocketAddr, watch::Sender<()>, JoinHandle<()>)>,
}

/// Resolves when the sender is dropped.
async fn dropped(mut watched: watch::Receiver<()>) {
    while watched.changed().await.is_ok() {}
}

impl Servers {
    pub(super) fn start(socket: api::Socket, handle: Arc<Handle>) -> Self {
        let (stop, stopped) = watch::channel(());
        let task = tokio::spawn(async move {
            if let Err(error) = api::serve(socket, handle, dropped(stopped)).await {
                error!("the control socket failed: {error}");
            }
        });
        Self { api: (stop, task), metrics: None }
    }

    /// Serves the metrics page at `address`, and nowhere else any more.
    pub(super) async fn metrics(&mut self, address: Option<SocketAddr>, handle: &Arc<Handle>) -> Result<()> {
        if self.metrics.as_ref().map(|(at, ..)| *at) == address {
            return Ok(());
        }
        let listener = match address {
            Some(address) => Some((address, metrics::bind(address).await?)),
            None => None,
        };
        if let Some((_, stop, task)) = self.metrics.take() {
            finish(stop, task).await;
        }
        if let Some((address, listener)) = listener {
            let (stop, stopped) = watch::channel(());
            let handle = Arc::clone(handle);
            let task = tokio::spawn(async move {
                if let Err(error) = metrics::serve(listener, handle, dropped(stopped)).await {
                    error!("the metrics page failed: {error}");
                }
            });
            info!("metrics at http://{address}/metrics");
            self.metrics = Some((address, stop, task));
        }
        Ok(())
    }

    /// Stops listening and removes the socket.
    pub(super) async fn stop(self) {
        let Self { api: (stop, task), metrics } = self;
        finish(stop, task).await;
        if let Some((_, stop, task)) = metrics {
            finish(stop, task).await;
        }
    }
}

async fn finish(stop: watch::Sender<()>, mut task: JoinHandle<()>) {
    drop(stop);
    if timeout(GRACE, &mut task).await.is_err() {
        task.abort();
        // Ended either way; a cancelled task has nothing to say.
        drop(task.await);
    }
}
