//! Frame -> [`Packet`]: Ethernet, tags, IPv4 with options, IPv6 with extension headers, TCP, UDP.
//!
//! Twice: [`packet`] reads what nearly all packets are, TCP or UDP directly after an IP header that
//! follows an Ethernet header, and leaves the others to [`datagram`], which reads everything. So the
//! established path doesn't pay for what it doesn't meet.
//!
//! A packet that can't be parsed is ours to judge only if it is addressed to a service; so a failure
//! says what is wrong *and* to whom the packet goes, and [`crate::engine`] asks the tables.

mod extension;
mod header;
mod quote;

pub(crate) use self::{
    extension::FRAGMENT,
    header::{Ipv4, Ipv6},
};
pub use self::{
    extension::Upper,
    header::{Family, IpHeader},
    quote::{ICMP, Quote, quote},
};

use crate::{
    frame::{Frame, Pair, Wire},
    net::{Address, Be16, protocol},
    packet::{ETHERNET, End, Packet, TcpFlags},
    reason::Reason,
};
use network_types::udp::UdpHdr;

/// Length of a TCP header without options.
const TCP: usize = 20;
/// Offset of the Ethernet type, behind the tags.
const TYPE: usize = 12;
/// Tags that are stepped over: a customer's inside a provider's (IEEE 802.1ad).
const TAGS: usize = 2;

/// A TCP header up to its flags (RFC 9293 section 3.1).
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Tcp {
    _ports: Pair<Be16>,
    sequence: u32,
    acknowledged: u32,
    flags: Be16,
}
// SAFETY: packed integers.
unsafe impl Wire for Tcp {}

/// Network layer of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Network {
    /// IPv4 follows.
    V4,
    /// IPv6 follows.
    V6,
    /// A VLAN tag follows.
    Tag,
    /// Anything else: ARP, LLDP.
    Other,
}

/// A packet without a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unparsed<A> {
    /// Too broken to say whom it is for.
    NoAddress,
    /// Not a whole TCP or UDP packet directly after its IP header: for [`datagram`].
    Rare,
    /// For `destination`; `reason` applies if that is a service's address.
    For {
        /// Where it goes.
        destination: A,
        /// What becomes of it if that is ours.
        reason: Reason,
    },
}

/// What the Ethernet header announces; `None` if there is no such header.
#[inline(always)]
pub fn network<F: Frame>(frame: &F) -> Option<Network> {
    const V4: Be16 = Be16::new(0x0800);
    const V6: Be16 = Be16::new(0x86dd);
    const CUSTOMER: Be16 = Be16::new(0x8100);
    const PROVIDER: Be16 = Be16::new(0x88a8);
    match frame.read(TYPE)? {
        V4 => Some(Network::V4),
        V6 => Some(Network::V6),
        CUSTOMER | PROVIDER => Some(Network::Tag),
        _ => Some(Network::Other),
    }
}

/// As [`network`], of what is behind the tags, which are stepped over.
#[inline(always)]
pub fn untagged<F: Frame>(frame: &mut F) -> Option<Network> {
    frame.step_over(0);
    for _ in 0..TAGS {
        match network(frame)? {
            Network::Tag => frame.skip_tag(),
            other => return Some(other),
        }
    }
    network(frame)
}

/// Which part of a packet a datagram carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// All of it.
    Whole,
    /// The first fragment, which has the transport header.
    First,
    /// Another fragment, without ports.
    Later,
}

/// Any IP packet whose headers could be followed.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<A> {
    /// What the IP header says.
    pub ip: IpHeader<A>,
    /// What follows the last extension header, [`crate::net::protocol`].
    pub protocol: u8,
    /// Offset of that in the frame.
    pub transport: u8,
    /// Is it a fragment?
    pub part: Part,
    /// What the fragments of a packet have in common, beside their addresses; 0 if whole.
    pub identification: u32,
}

/// Reads a whole TCP or UDP packet that has neither tags nor extension headers.
///
/// # Errors
/// [`Unparsed`], with the reason that applies if the packet is for a service.
#[inline(always)]
pub fn packet<A: Family, F: Frame>(frame: &F) -> Result<Packet<A>, Unparsed<A>> {
    let ip = A::header(frame, ETHERNET)?;
    if ip.fragment != 0 || (ip.protocol != protocol::TCP && ip.protocol != protocol::UDP) {
        return Err(Unparsed::Rare);
    }
    transport(frame, &ip, ip.protocol, ETHERNET + ip.header)
}

/// Follows any packet's headers up to the transport header.
///
/// # Errors
/// As [`packet`], but never [`Unparsed::Rare`].
#[inline(always)]
pub fn datagram<A: Family, F: Frame>(frame: &F) -> Result<Datagram<A>, Unparsed<A>> {
    let ip = A::header(frame, ETHERNET)?;
    let upper = Upper::unpack(frame.forget(upper::<A, F>(frame)))
        .map_err(|reason| Unparsed::For { destination: ip.destination, reason })?;
    Ok(Datagram {
        ip,
        protocol: upper.protocol,
        transport: upper.at,
        part: upper.part,
        identification: upper.identification,
    })
}

/// [`Family::upper`], packed.
// Not inlined: its locals would add to those of what the packet meets next.
#[inline(never)]
fn upper<A: Family, F: Frame>(frame: &F) -> u64 {
    match A::header(frame, ETHERNET) {
        Ok(ip) => Upper::pack(A::upper(frame, &ip, ETHERNET)),
        Err(_) => Upper::pack(Err(Reason::Malformed)),
    }
}

impl<A: Family> Datagram<A> {
    /// Reads the TCP or UDP header, which a later fragment does not have.
    ///
    /// # Errors
    /// As [`packet`].
    #[inline(always)]
    pub fn packet<F: Frame>(&self, frame: &F) -> Result<Packet<A>, Unparsed<A>> {
        let packet = transport(frame, &self.ip, self.protocol, usize::from(self.transport));
        match packet {
            Err(Unparsed::For { destination, reason: Reason::Malformed }) if self.part == Part::First => {
                Err(Unparsed::For { destination, reason: Reason::FragmentTiny })
            }
            packet => packet,
        }
    }

    /// Is the packet all there, with at least so many bytes behind its last extension header?
    #[inline(always)]
    pub fn reaches<F: Frame>(&self, frame: &F, bytes: usize) -> bool {
        let end = ETHERNET + self.ip.total;
        usize::from(self.transport) + bytes <= end && frame.holds(end)
    }

    /// The packet as far as a later fragment knows it: without ports, flags and transport header. `None` if
    /// it is not all there.
    #[inline(always)]
    pub fn without_ports<F: Frame>(&self, frame: &F) -> Option<Packet<A>> {
        if !self.reaches(frame, 0) {
            return None;
        }
        let (destination_mac, source_mac) = frame.macs()?;
        let port = Be16::new(0);
        Some(Packet {
            source: End { address: self.ip.source, port },
            destination: End { address: self.ip.destination, port },
            source_mac,
            destination_mac,
            protocol: self.protocol,
            tcp: TcpFlags::default(),
            sequence: 0,
            acknowledged: 0,
            transport: self.transport,
            bytes: self.ip.total as u32,
            ingress: frame.ingress(),
        })
    }
}

/// Reads a TCP or UDP header at offset `at`.
#[inline(always)]
fn transport<A: Address, F: Frame>(
    frame: &F,
    ip: &IpHeader<A>,
    protocol: u8,
    at: usize,
) -> Result<Packet<A>, Unparsed<A>> {
    let fail = |reason| Unparsed::For { destination: ip.destination, reason };
    let shortest = if protocol == protocol::TCP { TCP } else { UdpHdr::LEN };
    if ETHERNET + ip.total < at + shortest || !frame.holds(ETHERNET + ip.total) {
        return Err(fail(Reason::Malformed));
    }
    let ports = *frame.view::<Pair<Be16>>(at).ok_or(fail(Reason::Malformed))?;
    let (tcp, sequence, acknowledged) = if protocol == protocol::TCP {
        let tcp: &Tcp = frame.view(at).ok_or(fail(Reason::Malformed))?;
        (TcpFlags({ tcp.flags }.get()), tcp.sequence, tcp.acknowledged)
    } else {
        (TcpFlags::default(), 0, 0)
    };
    let (destination_mac, source_mac) = frame.macs().ok_or(Unparsed::NoAddress)?;
    Ok(Packet {
        source: End { address: ip.source, port: ports.first },
        destination: End { address: ip.destination, port: ports.second },
        source_mac,
        destination_mac,
        protocol,
        tcp,
        sequence,
        acknowledged,
        transport: at as u8,
        bytes: ip.total as u32,
        ingress: frame.ingress(),
    })
}
