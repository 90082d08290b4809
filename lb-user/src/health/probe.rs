//! One probe of one backend, over a real connection. Its result comes in words that an operator can act on.

use std::{error::Error, io, net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How much of an HTTP body is read, in bytes, before the connection is cut.
const BODY_LIMIT: usize = 64 * 1024;

/// Probes `address`: by HTTP if there is a `path` to ask for, else by a TCP handshake. Both results say in
/// words what happened.
///
/// `service` is the virtual address, for the `Host` header. The whole probe, the answer's body included (up to
/// 64 KiB), takes at most `timeout`.
///
/// # Errors
/// The probe failed, with the reason: "connection refused", "no answer within 1s", "HTTP 503", ...
pub async fn probe(
    path: Option<&str>,
    address: SocketAddr,
    service: SocketAddr,
    timeout: Duration,
) -> Result<String, String> {
    let probe = async {
        match path {
            None => tcp(address).await,
            Some(path) => http(address, service, path).await,
        }
    };
    let late = || format!("no answer within {}", humantime::format_duration(timeout));
    tokio::time::timeout(timeout, probe).await.unwrap_or_else(|_| Err(late()))
}

/// The handshake, then an orderly close.
///
/// The socket keeps its default, no `SO_LINGER`. A linger of zero would end the connection with an RST, which spares
/// us a minute of TIME_WAIT, but an RST is sent once: where it is lost the server keeps a connection
/// that nobody will ever close, and where it arrives many servers log an error. A FIN is repeated until it is
/// acknowledged, and the server sees an ordinary end of file.
async fn tcp(address: SocketAddr) -> Result<String, String> {
    connect(address).await.map(|_| "connected".to_owned())
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect(address).await.map_err(|e| io_words(&e))
}

async fn http(address: SocketAddr, service: SocketAddr, path: &str) -> Result<String, String> {
    let request = Request::get(path)
        .header(header::HOST, host(service))
        .header(header::USER_AGENT, "limpet-health")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|e| format!("cannot ask for {path:?}: {e}"))?;
    let stream = TokioIo::new(connect(address).await?);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|e| http_words(&e))?;
    let exchange = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        discard(response.into_body()).await?;
        Ok(status)
    };
    // The connection ends when the exchange has dropped its sender. Its own error is the exchange's too.
    let (status, _) = tokio::join!(exchange, connection);
    judge(status.map_err(|e: hyper::Error| http_words(&e))?)
}

fn judge(status: StatusCode) -> Result<String, String> {
    let words = format!("HTTP {}", status.as_u16());
    if status.is_success() || status.is_redirection() { Ok(words) } else { Err(words) }
}

/// Reads the body to its end: closing with data unread would reset the connection under the server.
async fn discard(mut body: Incoming) -> hyper::Result<()> {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame?.data_ref().map_or(0, Bytes::len);
        if read > BODY_LIMIT {
            break;
        }
    }
    Ok(())
}

/// The `Host` header: the port is left out where it is HTTP's own.
fn host(service: SocketAddr) -> String {
    match service {
        SocketAddr::V4(v4) if v4.port() == 80 => v4.ip().to_string(),
        SocketAddr::V6(v6) if v6.port() == 80 => format!("[{}]", v6.ip()),
        other => other.to_string(),
    }
}

fn io_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        io::ErrorKind::TimedOut => "connection timed out".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no local address or port left to connect from".to_owned(),
        _ => error.to_string(),
    }
}

fn http_words(error: &hyper::Error) -> String {
    if error.is_parse() {
        return "the answer is not HTTP".to_owned();
    }
    if error.is_incomplete_message() {
        return "connection closed before the answer was complete".to_owned();
    }
    match error.source().and_then(|e| e.downcast_ref::<io::Error>()) {
        Some(error) => io_words(error),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
