//! Frames of clients and backends, built by etherparse.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};

use super::event::{Flag, Tuple};

/// The router's Ethernet address, behind which everybody is, and ours.
pub const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// See [`ROUTER`].
pub const OURS: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// The virtual address.
pub const SERVICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The source of rewritten connections.
pub const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// The virtual port of a service.
pub const fn virtual_port(service: u8) -> u16 {
    80 + service as u16
}

/// A client's address.
pub const fn client(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, number + 1)
}

/// A server: its name, and how often it was given another address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Server {
    pub name: u8,
    pub version: u8,
}

impl Server {
    /// Its address.
    pub const fn address(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 1, self.version, self.name + 1))
    }

    /// Its Ethernet address, by which a frame is seen to go there.
    pub const fn mac(self) -> [u8; 6] {
        [2, 0, 0, 1, self.version, self.name + 1]
    }

    /// The server that a frame goes to.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let &[2, 0, 0, 1, version, name, ..] = frame else { return None };
        Some(Self { name: name.checked_sub(1)?, version })
    }
}

/// A client's segment.
pub fn segment(tuple: Tuple, flag: Flag) -> Vec<u8> {
    let from = (client(tuple.client), 40_000 + u16::from(tuple.port));
    frame((ROUTER, OURS), from, (SERVICE, virtual_port(tuple.service)), flag)
}

/// What a backend answers to a segment as it was sent there.
pub fn answer(sent: &[u8], flag: Flag) -> Vec<u8> {
    let (from, to) = ends(sent);
    let mut macs = [[0; 6]; 2];
    macs[0].copy_from_slice(&sent[..6]);
    macs[1].copy_from_slice(&sent[6..12]);
    frame((macs[0], macs[1]), to, from, flag)
}

/// Is this an answer of the service to the client, on the way to it?
pub fn is_answer(frame: &[u8], tuple: Tuple) -> bool {
    let (from, to) = ends(frame);
    frame[..6] == ROUTER
        && from == (SERVICE, virtual_port(tuple.service))
        && to == (client(tuple.client), 40_000 + u16::from(tuple.port))
}

type End = (Ipv4Addr, u16);

/// The source and destination of a segment.
fn ends(frame: &[u8]) -> (End, End) {
    let packet = SlicedPacket::from_ethernet(frame).expect("a packet");
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("not IPv4") };
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("not TCP") };
    let header = ip.header();
    let from = (header.source_addr(), tcp.source_port());
    (from, (header.destination_addr(), tcp.destination_port()))
}

fn frame(macs: ([u8; 6], [u8; 6]), from: End, to: End, flag: Flag) -> Vec<u8> {
    let mut header = etherparse::TcpHeader::new(from.1, to.1, 1, 500);
    (header.syn, header.ack) = (flag == Flag::Syn, !matches!(flag, Flag::Syn | Flag::Rst));
    header.acknowledgment_number = if header.ack { 5 } else { 0 };
    (header.fin, header.rst) = (flag == Flag::Fin, flag == Flag::Rst);
    // A FIN counts for a byte, and each segment is acknowledged by 5.
    let payload: &[u8] = if flag == Flag::Fin { b"end" } else { b"data" };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(macs.0, macs.1)
        .ipv4(from.0.octets(), to.0.octets(), 64)
        .tcp_header(header)
        .write(&mut frame, payload)
        .expect("a Vec takes everything");
    frame
}
