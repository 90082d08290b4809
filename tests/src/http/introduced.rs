//! Connections that begin with a header of the PROXY protocol, written here by the book.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use anyhow::Result;
use http_body_util::Full;
use hyper::{Request, body::Bytes};
use lb_user::lab::client::connect;
use tokio::io::AsyncWriteExt as _;

use super::{Answer, user::ask_by};

/// Version 1: a line of text.
#[must_use]
pub fn v1(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let [from, to] = [source, destination].map(|end| end.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into()
}

/// Version 2, for IPv4.
#[must_use]
pub fn v2(source: SocketAddrV4, destination: SocketAddrV4) -> Vec<u8> {
    // Version 2, PROXY; TCP over IPv4; twelve bytes follow.
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([source.ip(), destination.ip()].iter().flat_map(|ip| ip.octets()));
    header.extend([source.port(), destination.port()].iter().flat_map(|port| port.to_be_bytes()));
    header
}

/// A request by a connection that begins with `introduction`, in the pieces that it has.
pub async fn ask(
    source: IpAddr,
    target: SocketAddr,
    introduction: Vec<Vec<u8>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer> {
    let mut stream = connect(source, target).await?;
    stream.set_nodelay(true)?;
    for piece in introduction {
        stream.write_all(&piece).await?;
        tokio::task::yield_now().await;
    }
    ask_by(stream, request).await
}
