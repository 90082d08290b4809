//! ICMP errors: the packet that they quote.

use super::{Datagram, Family, Part};
use crate::{
    frame::{Frame, Pair},
    net::{Address, Be16, protocol},
    packet::{ETHERNET, End, Packet, TcpFlags},
};

/// Length of an ICMP header (RFC 792, RFC 4443 section 2.1).
pub const ICMP: usize = 8;
/// Bytes of the transport header that every quote has (RFC 792).
const LEAST: usize = 8;
/// The farthest that a quote may begin, so that offsets within its headers fit a byte.
const FARTHEST: usize = 160;

/// An error's quoted packet.
#[derive(Clone, Copy, Debug)]
pub struct Quote<A: Address> {
    /// What an answer to the quoted packet would look like: it takes the way that the error must take. Its
    /// `transport` is the offset of the quoted transport header; its other fields are the error's.
    pub answer: Packet<A>,
    /// Offset of the quoted IP header.
    pub at: u8,
}

/// Reads the quote of an ICMP error; `None` if it is cut too short, or of a packet that has no ports.
#[inline(always)]
pub fn quote<A: Family, F: Frame>(frame: &F, error: &Datagram<A>) -> Option<Quote<A>> {
    let at = usize::from(error.transport) + ICMP;
    if at > FARTHEST {
        return None;
    }
    let ip = A::header(frame, at).ok()?;
    let upper = A::upper(frame, &ip, at).ok()?;
    let transport = usize::from(upper.at);
    if upper.part == Part::Later
        || (upper.protocol != protocol::TCP && upper.protocol != protocol::UDP)
        || ETHERNET + error.ip.total < transport + LEAST
        || !frame.holds(ETHERNET + error.ip.total)
    {
        return None;
    }
    let ports: Pair<Be16> = frame.read(transport)?;
    let (destination_mac, source_mac) = frame.macs()?;
    Some(Quote {
        answer: Packet {
            source: End { address: ip.destination, port: ports.second },
            destination: End { address: ip.source, port: ports.first },
            source_mac,
            destination_mac,
            protocol: upper.protocol,
            tcp: TcpFlags::default(),
            sequence: 0,
            acknowledged: 0,
            transport: upper.at,
            bytes: error.ip.total as u32,
            ingress: frame.ingress(),
        },
        at: at as u8,
    })
}
