//! Wrapped packets whose outer headers are the sending kernel's own work.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use etherparse::PacketBuilder;
use lb_user::lab::Netns;
use socket2::{Domain, Protocol, Socket, Type};

use super::table::GUE_PORT;

/// A tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation, by variant.
    Gue(u8),
}

impl Tunnel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ipip, Self::Gue(0), Self::Gue(1)];
}

/// The packet that `socket`, which is connected, would send: its whole IP packet.
pub fn packet(socket: &UdpSocket, data: &[u8]) -> io::Result<Vec<u8>> {
    let (source, target) = (socket.local_addr()?, socket.peer_addr()?);
    let builder = match (source.ip(), target.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => PacketBuilder::ipv4(source.octets(), target.octets(), 64),
        (IpAddr::V6(source), IpAddr::V6(target)) => PacketBuilder::ipv6(source.octets(), target.octets(), 64),
        mixed => panic!("two families on one socket: {mixed:?}"),
    };
    let mut packet = Vec::new();
    builder.udp(source.port(), target.port()).write(&mut packet, data).map_err(io::Error::other)?;
    Ok(packet)
}

/// Sends an IP packet through a tunnel between two hosts, of whichever family both are.
pub fn send(
    namespace: &Netns,
    tunnel: Tunnel,
    source: IpAddr,
    target: IpAddr,
    packet: &[u8],
) -> io::Result<()> {
    let number: u8 = if packet[0] >> 4 == 4 { 4 } else { 41 };
    let (kind, protocol, port, header) = match tunnel {
        Tunnel::Ipip => (Type::RAW, Protocol::from(i32::from(number)), 0, &[][..]),
        Tunnel::Gue(1) => (Type::DGRAM, Protocol::UDP, GUE_PORT, &[][..]),
        Tunnel::Gue(_) => (Type::DGRAM, Protocol::UDP, GUE_PORT, &[0, number, 0, 0][..]),
    };
    namespace.run(|| {
        let socket = Socket::new(Domain::for_address((source, 0).into()), kind, Some(protocol))?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        let wrapped = [header, packet].concat();
        let sent = socket.send_to(&wrapped, &SocketAddr::new(target, port).into())?;
        assert_eq!(sent, wrapped.len());
        Ok(())
    })
}
