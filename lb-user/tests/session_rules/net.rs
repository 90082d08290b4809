//! Frames of clients and backends.

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};

/// TCP flags.
pub const SYN: u8 = 0x02;
/// See [`SYN`].
pub const RST: u8 = 0x04;
/// See [`SYN`].
pub const ACK: u8 = 0x10;

/// The last hop's Ethernet address, and ours.
pub const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// See [`ROUTER`].
pub const OURS: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// The virtual address.
pub const SERVICE: [u8; 4] = [192, 0, 2, 10];

/// A client's address.
pub fn client(number: u8) -> [u8; 4] {
    [198, 51, 100, number + 1]
}

/// A segment of a client's connection.
pub fn segment(number: u8, port: u8, flags: u8) -> Vec<u8> {
    frame((ROUTER, OURS), (client(number), 40_000 + u16::from(port)), (SERVICE, 80), flags)
}

/// The answer to a segment as it reached a backend.
pub fn answer(sent: &[u8]) -> Vec<u8> {
    let packet = SlicedPacket::from_ethernet(sent).expect("a packet");
    let Some(etherparse::NetSlice::Ipv4(ip)) = &packet.net else { panic!("not IPv4") };
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("not TCP") };
    let (from, to) = (ip.header().destination(), ip.header().source());
    frame((ROUTER, OURS), (from, tcp.destination_port()), (to, tcp.source_port()), ACK)
}

fn frame(macs: ([u8; 6], [u8; 6]), from: ([u8; 4], u16), to: ([u8; 4], u16), flags: u8) -> Vec<u8> {
    let mut header = etherparse::TcpHeader::new(from.1, to.1, 1, 500);
    // What acknowledges the other side's `data`.
    header.acknowledgment_number = 1 + 4;
    (header.syn, header.rst, header.ack) = (flags & SYN != 0, flags & RST != 0, flags & ACK != 0);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(macs.0, macs.1)
        .ipv4(from.0, to.0, 64)
        .tcp_header(header)
        .write(&mut frame, b"data")
        .expect("a Vec takes everything");
    frame
}
