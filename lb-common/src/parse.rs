//! Frame -> [`Packet`]: Ethernet, IPv4 with options, IPv6, TCP, UDP.
//!
//! A packet that can't be parsed is ours to judge only if it is addressed to a service; so a failure
//! says what is wrong *and* to whom the packet goes, and [`crate::engine`] asks the tables.

use crate::{
    frame::{Frame, Pair, Wire},
    net::{Address, Be16, V4, V6, protocol},
    packet::{ETHERNET, End, Packet, TcpFlags},
    reason::Reason,
};
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

/// An IPv4 header without options (RFC 791 section 3.1).
///
/// Not `network_types`': its fields are byte arrays, out of which the compiler assembles words byte by
/// byte.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Ipv4 {
    pub(crate) version_and_length: u8,
    _service: u8,
    pub(crate) total: Be16,
    _identification: u16,
    pub(crate) flags_and_offset: Be16,
    pub(crate) time_to_live: u8,
    pub(crate) protocol: u8,
    _checksum: u16,
    pub(crate) addresses: Pair<V4>,
}
const _: () = assert!(size_of::<Ipv4>() == Ipv4Hdr::LEN);
// SAFETY: packed integers.
unsafe impl Wire for Ipv4 {}

/// An IPv6 header (RFC 8200 section 3).
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Ipv6 {
    pub(crate) version_and_class: u8,
    _class_and_flow: [u8; 3],
    pub(crate) payload: Be16,
    pub(crate) next: u8,
    pub(crate) hops: u8,
    pub(crate) addresses: Pair<V6>,
}
const _: () = assert!(size_of::<Ipv6>() == Ipv6Hdr::LEN);
// SAFETY: packed integers.
unsafe impl Wire for Ipv6 {}

impl Family for V4 {
    #[inline(always)]
    fn header<F: Frame>(frame: &F) -> Result<IpHeader<Self>, Unparsed<Self>> {
        let ip: &Ipv4 = frame.view(ETHERNET).ok_or(Unparsed::NoAddress)?;
        let Pair { first: source, second: destination } = ip.addresses;
        let fail = |reason| Err(Unparsed::For { destination, reason });
        // The length comes in words of four bytes, so 15 of them at most.
        let header = usize::from(ip.version_and_length & 0x0f) * 4;
        let total = usize::from({ ip.total }.get());
        if ip.version_and_length >> 4 != 4 || header < Ipv4Hdr::LEN || total < header {
            return fail(Reason::Malformed);
        }
        // More-fragments or an offset: bits 13 and 0..13.
        if { ip.flags_and_offset }.get() & 0x3fff != 0 {
            return fail(Reason::Fragment);
        }
        Ok(IpHeader { source, destination, protocol: ip.protocol, header, total })
    }
}

impl Family for V6 {
    #[inline(always)]
    fn header<F: Frame>(frame: &F) -> Result<IpHeader<Self>, Unparsed<Self>> {
        let ip: &Ipv6 = frame.view(ETHERNET).ok_or(Unparsed::NoAddress)?;
        let Pair { first: source, second: destination } = ip.addresses;
        // In the tables they are IPv4 addresses; on the wire they are nobody's.
        if source.is_mapped() || destination.is_mapped() {
            return Err(Unparsed::NoAddress);
        }
        let fail = |reason| Err(Unparsed::For { destination, reason });
        if ip.version_and_class >> 4 != 6 {
            return fail(Reason::Malformed);
        }
        match ip.next {
            FRAGMENT => return fail(Reason::Fragment),
            HOP_BY_HOP | ROUTING | AUTHENTICATION | DESTINATION | MOBILITY => {
                return fail(Reason::ExtensionHeader);
            }
            _ => {}
        }
        Ok(IpHeader {
            source,
            destination,
            protocol: ip.next,
            header: Ipv6Hdr::LEN,
            total: Ipv6Hdr::LEN + usize::from({ ip.payload }.get()),
        })
    }
}

// IPv6 extension headers (IANA "IPv6 Extension Header Types").
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
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
    let ports = *frame.view::<Pair<Be16>>(transport).ok_or(fail(Reason::Malformed))?;
    let tcp = if ip.protocol == protocol::TCP {
        TcpFlags(frame.read(transport + TCP_FLAGS).ok_or(fail(Reason::Malformed))?)
    } else {
        TcpFlags::default()
    };
    let (destination_mac, source_mac) = frame.macs().ok_or(Unparsed::NoAddress)?;
    Ok(Packet {
        source: End { address: ip.source, port: ports.first },
        destination: End { address: ip.destination, port: ports.second },
        source_mac,
        destination_mac,
        protocol: ip.protocol,
        tcp,
        transport: transport as u8,
        bytes: ip.total as u32,
        ingress: frame.ingress(),
    })
}
