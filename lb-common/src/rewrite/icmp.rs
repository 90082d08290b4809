//! ICMP and ICMPv6: errors with the packet that they quote, and answers to pings.

use super::Layout;
use crate::{
    checksum::Delta,
    frame::{Frame, Pair},
    net::{Be16, V4, V6, protocol},
    packet::ETHERNET,
    parse::{Datagram, Quote},
    stage::Route,
};
use core::mem::offset_of;
use network_types::{
    ip::{Ipv4Hdr, Ipv6Hdr},
    tcp::TcpHdr,
    udp::UdpHdr,
};

/// Offset of the checksum in an ICMP header of either family.
const CHECKSUM: usize = 2;
/// TTL and hop limit of our own packets (IANA "IP Option Numbers", default TTL).
const HOPS: u8 = 64;

/// Sends an error along a route that was found for an answer to the packet that it quotes: the error's
/// own addresses change, and the quoted packet becomes what its sender sent. `None` if the quote is not wholly
/// accessible; the packet is then as it was.
///
/// The error's source changes only where an answer's would: there it would tell of a network behind us
/// (IPVS does the same); elsewhere the router that sends it keeps its name.
#[inline(always)]
pub fn error<A: Layout, F: Frame>(
    frame: &mut F,
    error: &Datagram<A>,
    quote: &Quote<A>,
    to: &Route<A>,
) -> Option<()> {
    if !to.rewrites_ends {
        return frame.set_macs(to.target_mac, to.source_mac);
    }
    let answer = &quote.answer;
    let (quoted, transport) = (usize::from(quote.at), usize::from(answer.transport));
    let icmp = usize::from(error.transport) + CHECKSUM;
    let icmp_sum: u16 = frame.read(icmp)?;
    let is_tcp = answer.protocol == protocol::TCP;
    let at = transport + if is_tcp { offset_of!(TcpHdr, check) } else { offset_of!(UdpHdr, check) };
    // A quote of 8 bytes has UDP's checksum, and not TCP's. What follows was read before: the ports by
    // `parse::quote`, the headers to get there.
    let has_sum = ETHERNET + error.ip.total >= at + size_of::<u16>();
    let old: u16 = if has_sum { frame.read(at)? } else { 0 };

    let addresses = Delta::NONE
        .address(answer.destination.address, to.destination.address)
        .address(answer.source.address, to.source.address);
    let ports = Delta::NONE
        .word16(answer.destination.port.raw(), to.destination.port.raw())
        .word16(answer.source.port.raw(), to.source.port.raw());
    // What changes in the quote changes the error's checksum, the quote's own checksums among it.
    let mut sum = addresses.and(ports);
    frame.set_macs(to.target_mac, to.source_mac)?;
    if let Some(header) = A::CHECKSUM {
        let header = header - ETHERNET + quoted;
        let before: u16 = frame.read(header)?;
        let after = addresses.apply(before);
        frame.write(header, after)?;
        sum = sum.word16(before, after);
    }
    frame.write(
        A::SOURCE - ETHERNET + quoted,
        Pair { first: to.destination.address, second: to.source.address },
    )?;
    frame.write(transport, Pair { first: to.destination.port, second: to.source.port })?;
    if has_sum {
        let all = addresses.and(ports);
        let new = if is_tcp { all.apply(old) } else { all.apply_udp(old) };
        frame.write(at, new)?;
        sum = sum.word16(old, new);
    }

    let hides = to.source.address != answer.source.address;
    let source = if hides { to.source.address } else { error.ip.source };
    let outer =
        Delta::NONE.address(error.ip.source, source).address(error.ip.destination, to.destination.address);
    match A::CHECKSUM {
        Some(header) => {
            let new = outer.apply(frame.read(header)?);
            frame.write(header, new)?;
        }
        // ICMPv6 sums the addresses too (RFC 4443 section 2.3).
        None => sum = sum.and(outer),
    }
    frame.write(A::SOURCE, Pair { first: source, second: to.destination.address })?;
    frame.write(icmp, sum.apply(icmp_sum))
}

/// How a family pings.
pub trait Echo: Layout {
    /// Type and code of a request, as they stand in the header.
    const REQUEST: Be16;
    /// Type and code of a reply.
    const REPLY: Be16;
    /// Offset of the TTL or hop limit in the frame.
    const HOPS: usize;
    /// Is this the type of an error?
    fn is_error(kind: u8) -> bool;
}

impl Echo for V4 {
    const REQUEST: Be16 = Be16::new(0x0800);
    const REPLY: Be16 = Be16::new(0x0000);
    const HOPS: usize = ETHERNET + offset_of!(Ipv4Hdr, ttl);

    /// Unreachable (fragmentation needed among them), time exceeded, parameter problem. Source quench is
    /// history (RFC 6633), and a redirect is for the host that it names.
    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        matches!(kind, 3 | 11 | 12)
    }
}

impl Echo for V6 {
    const REQUEST: Be16 = Be16::new(0x8000);
    const REPLY: Be16 = Be16::new(0x8100);
    const HOPS: usize = ETHERNET + offset_of!(Ipv6Hdr, hop_limit);

    /// Unreachable, packet too big, time exceeded, parameter problem.
    #[inline(always)]
    fn is_error(kind: u8) -> bool {
        matches!(kind, 1..=4)
    }
}

/// Turns an echo request into its reply. `None` if a header is not wholly accessible.
#[inline(always)]
pub fn echo<A: Echo, F: Frame>(frame: &mut F, request: &Datagram<A>) -> Option<()> {
    let icmp = usize::from(request.transport);
    let sum: u16 = frame.read(icmp + CHECKSUM)?;
    let (ours, theirs) = frame.macs()?;
    frame.set_macs(theirs, ours)?;
    // Swapped, the addresses sum up to the same. The TTL begins anew, as it would in a kernel's answer.
    if let Some(header) = A::CHECKSUM {
        // TTL and protocol make one word.
        let old: u16 = frame.read(A::HOPS)?;
        frame.write(A::HOPS, HOPS)?;
        let new: u16 = frame.read(A::HOPS)?;
        let changed = Delta::NONE.word16(old, new).apply(frame.read(header)?);
        frame.write(header, changed)?;
    } else {
        frame.write(A::HOPS, HOPS)?;
    }
    frame.write(A::SOURCE, Pair { first: request.ip.destination, second: request.ip.source })?;
    frame.write(icmp, A::REPLY)?;
    // An IPv4 reply may be all zeros, and then the sum of its words is zero and not 0xffff, as that of any others
    // is that sum up to nothing (RFC 1624 section 3). Both are right where others do.
    let sum = match Delta::NONE.word16(A::REQUEST.raw(), A::REPLY.raw()).apply(sum) {
        0 => 0xffff,
        sum => sum,
    };
    frame.write(icmp + CHECKSUM, sum)
}
