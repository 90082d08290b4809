//! The PROXY protocol: a proxy's first bytes on a connection say who is behind it (HAProxy's proxy-protocol.txt).
//!
//! `v1` is a line of text, `v2` is binary. Only a connection from a proxy that is trusted may be read so: anyone can
//! write a header.

mod v1;
mod v2;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The ends of the connection that a proxy took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header, and so far nothing wrong with it.
    Incomplete,
    /// No header, for this reason. The connection is to be dropped.
    Invalid(&'static str),
    /// A whole one.
    Header {
        /// Its bytes. What follows is the connection's content.
        length: usize,
        /// None where the proxy speaks for itself (`LOCAL`, as its health checks do) or of something that has no such
        /// addresses (`UNKNOWN`, UNIX sockets, datagrams): the connection's own ends count.
        peer: Option<Peer>,
    },
}

/// Which of the two to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// Reads a header of either version. No more than 2,064 bytes are ever needed; a longer one is invalid.
pub fn parse(buffer: &[u8]) -> Parsed {
    if begins(buffer, &v2::SIGNATURE) {
        v2::parse(buffer)
    } else if begins(buffer, v1::SIGNATURE) {
        v1::parse(buffer)
    } else {
        Parsed::Invalid("it begins with no signature of the PROXY protocol")
    }
}

/// The header for a connection between these. Where one address is of IPv4 and the other of IPv6, the former is written
/// as one of the latter, for a header has one family.
pub fn write(version: Version, source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let ports = [source.port(), destination.port()];
    let addresses = match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Addresses::V4([source, destination]),
        (source, destination) => Addresses::V6([wide(source), wide(destination)]),
    };
    match version {
        Version::V1 => v1::write(addresses, ports),
        Version::V2 => v2::write(addresses, ports),
    }
}

/// Source and destination, of one family.
#[derive(Debug, Clone, Copy)]
enum Addresses {
    V4([Ipv4Addr; 2]),
    V6([Ipv6Addr; 2]),
}

impl Peer {
    fn new(source: (impl Into<IpAddr>, u16), destination: (impl Into<IpAddr>, u16)) -> Self {
        let end = |address: IpAddr, port| SocketAddr::new(address.to_canonical(), port);
        Self { source: end(source.0.into(), source.1), destination: end(destination.0.into(), destination.1) }
    }
}

fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Whether `buffer` begins with `signature`, as far as both go.
fn begins(buffer: &[u8], signature: &[u8]) -> bool {
    buffer.iter().zip(signature).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests;
