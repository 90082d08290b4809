//! Frame -> [`Packet`]: Ethernet, IPv4 with options, IPv6, TCP, UDP.
//!
//! A packet that can't be parsed is ours to judge only if it is addressed to a service; so a failure
//! says what is wrong *and* to whom the packet goes, and [`crate::engine`] asks the tables.

use crate::{
    frame::{Frame, Wire},
    net::{Address, Be16, V4, V6, protocol},
    packet::{ETHERNET, End, Packet, TcpFlags},
    reason::Reason,
};
use core::mem::offset_of;
use network_types::{
    ip::{Ipv4Hdr, Ipv6Hdr},
    udp::UdpHdr,
};

/// Length of a TCP header without options.
const TCP: usize = 20;
/// Offset of the flags in a TCP header.
const TCP_FLAGS: usize = 13;

/// Network layer of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// IPv4 follows the Ethernet header.
    V4,
    /// IPv6 follows the Ethernet header.
    V6,
    /// Anything else: ARP, tags (VLAN), LLDP.
    Other,
}

/// A packet without a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unparsed<A> {
    /// Too broken to say whom it is for.
    NoAddress,
    /// For `destination`; `reason` applies if that is a service's address.
    For {
        /// Where it goes.
        destination: A,
        /// What becomes of it if that is ours.
        reason: Reason,
    },
}

/// The network layer that the Ethernet header announces; `None` if there is no such header.
#[inline(always)]
pub fn network<F: Frame>(frame: &F) -> Option<Network> {
    const TYPE: usize = 12;
    match frame.read::<Be16>(TYPE)?.get() {
        0x0800 => Some(Network::V4),
        0x86dd => Some(Network::V6),
        _ => Some(Network::Other),
    }
}

/// What the IP header says.
#[derive(Clone, Copy, Debug)]
pub struct IpHeader<A> {
    source: A,
    destination: A,
    protocol: u8,
    /// Length of the header.
    header: usize,
    /// Length of header and payload.
    total: usize,
}

/// A family whose header can be read.
pub trait Family: Address {
    /// Reads and checks the header that follows the Ethernet header.
    ///
    /// # Errors
    /// [`Unparsed`] for headers that end early, contradict themselves, or announce fragments or
    /// extension headers.
    fn header<F: Frame>(frame: &F) -> Result<IpHeader<Self>, Unparsed<Self>>;
}

/// The address pair at `offset` of the IP header, read as words: out of the header's byte arrays the
/// compiler would assemble them byte by byte.
#[inline(always)]
fn addresses<A: Wire, F: Frame>(frame: &F, offset: usize) -> Result<(A, A), Unparsed<A>> {
    let source = frame.read(ETHERNET + offset).ok_or(Unparsed::NoAddress)?;
    let destination = frame.read(ETHERNET + offset + size_of::<A>()).ok_or(Unparsed::NoAddress)?;
    Ok((source, destination))
}

impl Family for V4 {
    #[inline(always)]
    fn header<F: Frame>(frame: &F) -> Result<IpHeader<Self>, Unparsed<Self>> {
        let ip: Ipv4Hdr = frame.read(ETHERNET).ok_or(Unparsed::NoAddress)?;
        let (source, destination) = addresses(frame, offset_of!(Ipv4Hdr, src_addr))?;
        let fail = |reason| Err(Unparsed::For { destination, reason });
        // The length comes in words of four bytes, so 15 of them at most.
        let header = usize::from(ip.vihl & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes(ip.tot_len));
        if ip.vihl >> 4 != 4 || header < Ipv4Hdr::LEN || total < header {
            return fail(Reason::Malformed);
        }
        // More-fragments or an offset: bits 13 and 0..13 (RFC 791 section 3.1).
        if u16::from_be_bytes(ip.frags) & 0x3fff != 0 {
            return fail(Reason::Fragment);
        }
        Ok(IpHeader { source, destination, protocol: ip.proto, header, total })
    }
}

impl Family for V6 {
    #[inline(always)]
    fn header<F: Frame>(frame: &F) -> Result<IpHeader<Self>, Unparsed<Self>> {
        let ip: Ipv6Hdr = frame.read(ETHERNET).ok_or(Unparsed::NoAddress)?;
        let (source, destination): (V6, V6) = addresses(frame, offset_of!(Ipv6Hdr, src_addr))?;
        // In the tables they are IPv4 addresses; on the wire they are nobody's.
        if source.is_mapped() || destination.is_mapped() {
            return Err(Unparsed::NoAddress);
        }
        let fail = |reason| Err(Unparsed::For { destination, reason });
        if ip.vcf[0] >> 4 != 6 {
            return fail(Reason::Malformed);
        }
        match ip.next_hdr {
            FRAGMENT => return fail(Reason::Fragment),
            HOP_BY_HOP | ROUTING | AUTHENTICATION | DESTINATION | MOBILITY => {
                return fail(Reason::ExtensionHeader);
            }
            _ => {}
        }
        Ok(IpHeader {
            source,
            destination,
            protocol: ip.next_hdr,
            header: Ipv6Hdr::LEN,
            total: Ipv6Hdr::LEN + usize::from(u16::from_be_bytes(ip.payload_len)),
        })
    }
}

// IPv6 extension headers (IANA "IPv6 Extension Header Types").
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// Reads the IP and transport headers.
///
/// # Errors
/// [`Unparsed`], with the reason that applies if the packet is for a service.
#[inline(always)]
pub fn packet<A: Family, F: Frame>(frame: &F) -> Result<Packet<A>, Unparsed<A>> {
    let ip = A::header(frame)?;
    let fail = |reason| Unparsed::For { destination: ip.destination, reason };
    let shortest = match ip.protocol {
        protocol::TCP => TCP,
        protocol::UDP => UdpHdr::LEN,
        _ => return Err(fail(Reason::OtherProtocol)),
    };
    if ip.total < ip.header + shortest || !frame.holds(ETHERNET + ip.total) {
        return Err(fail(Reason::Malformed));
    }
    let transport = ETHERNET + ip.header;
    let port = |at: usize| frame.read::<Be16>(transport + at).ok_or(fail(Reason::Malformed));
    let (source_port, destination_port) = (port(0)?, port(2)?);
    let tcp = if ip.protocol == protocol::TCP {
        TcpFlags(frame.read(transport + TCP_FLAGS).ok_or(fail(Reason::Malformed))?)
    } else {
        TcpFlags::default()
    };
    let mac = |at| frame.read_mac(at).ok_or(Unparsed::NoAddress);
    Ok(Packet {
        source: End { address: ip.source, port: source_port },
        destination: End { address: ip.destination, port: destination_port },
        source_mac: mac(6)?,
        destination_mac: mac(0)?,
        protocol: ip.protocol,
        tcp,
        transport,
        bytes: ip.total as u32,
        ingress: frame.ingress(),
    })
}
