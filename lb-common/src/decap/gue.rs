//! Generic UDP encapsulation (draft-ietf-intarea-gue-09 sections 3 and 4), the two forms that need no state.

use super::{Reason, Rules, Step, header::Family, inner};
use crate::{
    frame::{Frame, Pair, Wire},
    net::{Be16, V4, V6, protocol},
};

/// A UDP header (RFC 768). Its checksum is zero from Limpet (RFC 6935 and 6936), and not looked at: the inner
/// packet has its own.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Udp {
    _ports: Pair<Be16>,
    length: Be16,
    _checksum: u16,
}
// SAFETY: packed integers.
unsafe impl Wire for Udp {}

/// What follows the UDP header at offset `at` of a packet that ends at `end`.
#[inline(always)]
pub(super) fn unwrap<A: Family, F: Frame, R: Rules>(
    frame: &mut F,
    rules: &R,
    at: usize,
    end: usize,
    ecn: u8,
) -> Step<()> {
    let length = usize::from(frame.view::<Udp>(at).map_or(0, |udp| { udp.length }.get()));
    if length < size_of::<Udp>() || at + length > end {
        return Err(Reason::Malformed);
    }
    let (end, at) = (at + length, at + size_of::<Udp>());
    // Variant (two bits): 1 is an IP packet, of which these are the first two bits of the version. 0 has a
    // header: control flag, length of options, protocol, flags; all but the protocol must be nothing.
    let first: Be16 = frame.read(at).ok_or(Reason::Malformed)?;
    let empty = frame.read::<u32>(at).is_some_and(|word| word & !PROTOCOL == 0);
    let (at, version) = match (first.get() >> 12, first.get() as u8) {
        (4, _) => (at, V4::VERSION),
        (6, _) => (at, V6::VERSION),
        (0, protocol::IPV4) if empty => (at + HEADER, V4::VERSION),
        (0, protocol::IPV6) if empty => (at + HEADER, V6::VERSION),
        _ => return Err(Reason::GueHeader),
    };
    match version {
        V4::VERSION => inner::<V4, F, R>(frame, rules, at, end, ecn),
        _ if A::VERSION == V4::VERSION => Err(Reason::Ipv6InIpv4),
        _ => inner::<V6, F, R>(frame, rules, at, end, ecn),
    }
}

/// Length of variant 0's header without options.
const HEADER: usize = 4;
/// Where its protocol is, in a word as a little-endian machine loads it.
const PROTOCOL: u32 = 0x0000_ff00;
