//! The metrics page: `GET /metrics` for Prometheus, made from [`Control::status`] at scrape time.

mod page;
mod requests;

use std::{
    future::Future,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
};

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::api::{Control, http};

/// The page's format, in which a counter's name ends in `_total`.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Why the page can't be served at an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics on {address}: {}", remedy(source))]
pub struct BindError {
    /// `http.listen` of the configuration.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "another program listens there; choose another http.listen",
        ErrorKind::AddrNotAvailable => "no interface has this address; correct http.listen",
        ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher port for http.listen"
        }
        _ => "the system refuses",
    }
}

/// Takes the address, so that a start or a reload can fail before anything else is done.
///
/// # Errors
/// When the system refuses the address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { address, source })
}

/// Answers until `shutdown` resolves.
///
/// # Errors
/// When the listener stops accepting connections.
pub async fn serve<C: Control>(
    listener: TcpListener,
    control: Arc<C>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router =
        Router::new().route("/", get(pointer)).route("/metrics", get(metrics::<C>)).with_state(control);
    http::serve(listener, router, shutdown).await
}

async fn pointer() -> &'static str {
    "limpet serves its metrics at /metrics\n"
}

async fn metrics<C: Control>(State(control): State<Arc<C>>) -> Response {
    let status = control.status().await;
    if let Err(error) = &status {
        tracing::warn!("no figures for the metrics page: {error:#}");
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page::text(status.ok())).into_response()
}
