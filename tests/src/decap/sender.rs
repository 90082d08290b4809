//! Wrapped packets whose outer headers are the sending kernel's own work.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use etherparse::PacketBuilder;
use lb_user::lab::{Family, Netns};
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

/// One end of a tunnel, for packets of one family.
pub struct Sender {
    socket: Socket,
    target: SocketAddr,
    /// Between UDP and the packet.
    header: Vec<u8>,
}

impl Sender {
    /// A tunnel between two hosts, of whichever family both are.
    pub fn new(
        namespace: &Netns,
        tunnel: Tunnel,
        inner: Family,
        source: IpAddr,
        target: IpAddr,
    ) -> io::Result<Self> {
        let number = if inner == Family::V4 { 4 } else { 41 };
        let (kind, protocol, port, header) = match tunnel {
            Tunnel::Ipip => (Type::RAW, Protocol::from(i32::from(number)), 0, vec![]),
            Tunnel::Gue(0) => (Type::DGRAM, Protocol::UDP, GUE_PORT, vec![0, number, 0, 0]),
            Tunnel::Gue(_) => (Type::DGRAM, Protocol::UDP, GUE_PORT, vec![]),
        };
        let domain = Domain::for_address((source, 0).into());
        let socket = namespace.run(|| Socket::new(domain, kind, Some(protocol)))?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        Ok(Self { socket, target: SocketAddr::new(target, port), header })
    }

    /// Sends an IP packet.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        let wrapped = [&self.header[..], packet].concat();
        let sent = self.socket.send_to(&wrapped, &self.target.into())?;
        assert_eq!(sent, wrapped.len());
        Ok(())
    }
}
