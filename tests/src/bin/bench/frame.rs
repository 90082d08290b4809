//! Test packets, made by an independent library.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use etherparse::PacketBuilder;

/// What a TCP segment says.
#[derive(Clone, Copy)]
pub(crate) enum Segment {
    /// A client's first.
    Syn,
    /// The backend's answer to it.
    SynAck,
    /// Any other.
    Ack,
}

const PAYLOAD: [u8; 6] = [0; 6];

/// A TCP segment of 6 bytes of payload: with IPv4 a frame of 60 bytes, the shortest on a real wire.
pub(crate) fn tcp(from: SocketAddr, to: SocketAddr, segment: Segment) -> Result<Vec<u8>> {
    let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let network = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => link.ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => link.ipv6(from.octets(), to.octets(), 64),
        _ => anyhow::bail!("{from} and {to} are of different families"),
    };
    let transport = network.tcp(from.port(), to.port(), 1, 65_535);
    // Past the other side's SYN and payload: a client that acknowledges anything else is not proven.
    let next = 1 + 1 + PAYLOAD.len() as u32;
    let transport = match segment {
        Segment::Syn => transport.syn(),
        Segment::SynAck => transport.syn().ack(next),
        Segment::Ack => transport.ack(next),
    };
    let mut frame = Vec::new();
    transport.write(&mut frame, &PAYLOAD).context("cannot build a frame")?;
    Ok(frame)
}
