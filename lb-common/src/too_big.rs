//! The answer to a packet that does not fit into its tunnel, so that its sender makes smaller ones: ICMP
//! "fragmentation needed" (RFC 792, RFC 1191 section 4) or ICMPv6 "packet too big" (RFC 4443 section 3.2).
//!
//! It comes from the service's address, the only one of ours that the sender knows, and goes back to the
//! last hop. IPv4 packets that may be fragmented are answered as well: a sender that learns the path's MTU
//! is served, where a balancer that cut packets into fragments would have every backend pay for it.

use crate::{
    checksum,
    engine::Sent,
    frame::{Frame, MOST_SUMMED, Pair},
    header::{Header, Own},
    net::{Address, V4, V6},
    packet::ETHERNET,
    parse::{self, Network},
    reason::Reason,
    rewrite::Layout,
    stage::Step,
    tables::Tables,
};

/// Bytes of an ICMP header.
const ICMP: usize = 8;

/// A family with an answer of its own.
pub trait Notice: Own + Layout {
    /// Number of ICMP in this family.
    const ICMP: u8;
    /// Type and code, as they stand before the checksum.
    const KIND: u32;
    /// Bytes that the whole answer may have: what every host must take.
    const MOST: usize;
    /// Bytes of a full quote.
    const QUOTE: usize = Self::MOST - Self::LENGTH - ICMP;
    /// Bytes of the shortest: a header, and 8 bytes of what follows (RFC 792), which has ports in it.
    const LEAST: usize = Self::LENGTH + 8;

    /// False if the header with this first byte is longer than [`Own::LENGTH`].
    fn is_plain(first: u8) -> bool;

    /// The sum of what the checksum covers beyond a message of `bytes` bytes between these two.
    fn pseudo_header(a: Self, b: Self, bytes: u32) -> u64;
}

impl Notice for V4 {
    const ICMP: u8 = 1;
    const KIND: u32 = 0x0304_0000;
    /// RFC 1812 section 4.3.2.3.
    const MOST: usize = 576;

    #[inline(always)]
    fn is_plain(first: u8) -> bool {
        first & 0x0f == 5
    }

    #[inline(always)]
    fn pseudo_header(_a: Self, _b: Self, _bytes: u32) -> u64 {
        0
    }
}

impl Notice for V6 {
    const ICMP: u8 = 58;
    const KIND: u32 = 0x0200_0000;
    /// RFC 4443 section 2.4 (c).
    const MOST: usize = 1280;

    #[inline(always)]
    fn is_plain(_first: u8) -> bool {
        true
    }

    #[inline(always)]
    fn pseudo_header(a: Self, b: Self, bytes: u32) -> u64 {
        let mut sum = u64::from(bytes.to_be()) + u64::from(u32::from(Self::ICMP).to_be());
        let mut at = 0;
        while at < Self::WORDS {
            sum += u64::from(a.word(at)) + u64::from(b.word(at));
            at += 1;
        }
        sum
    }
}

/// Turns a packet into an answer that tells its sender to make no larger ones than `mtu` bytes, which is more
/// than a quote has; drops it where this CPU has sent enough of them.
///
/// All that it needs stands in the packet, so it is written where the decision is over: the kernel's verifier
/// then looks at it once, and not once for each way to get here.
#[inline(never)]
pub fn answer<F: Frame, T: Tables>(frame: &mut F, tables: &T, mtu: u32) -> Step<Sent> {
    if !tables.may_answer() {
        return Err(Reason::TooBig);
    }
    match parse::untagged(frame) {
        Some(Network::V4) => write::<V4, F>(frame, mtu),
        Some(Network::V6) => write::<V6, F>(frame, mtu),
        _ => None,
    }
    .ok_or(Reason::TooBig)?;
    Ok((Reason::TooBigAnswered, frame.ingress()))
}

#[inline(always)]
fn write<A: Notice, F: Frame>(frame: &mut F, mtu: u32) -> Option<()> {
    let (quote, sum) = match sum(frame, A::QUOTE) {
        Some(sum) => (A::QUOTE, sum),
        // A driver may split packets after their headers; then these are all that can be reached.
        None if A::is_plain(frame.read(ETHERNET)?) => (A::LEAST, sum(frame, A::LEAST)?),
        None => return None,
    };
    let Pair { first: source, second: destination } = *frame.view::<Pair<A>>(A::SOURCE)?;
    let (our_mac, their_mac) = frame.macs()?;
    frame.truncate(ETHERNET + quote)?;
    let payload = (ICMP + quote) as u32;
    let (kind, mtu) = (A::KIND.to_be(), mtu.to_be());
    let message = sum + u64::from(kind) + u64::from(mtu);
    let checksum = checksum::of(message + A::pseudo_header(source, destination, payload));
    frame.grow(A::LENGTH + ICMP)?;
    frame.set_macs(their_mac, our_mac)?;
    let (source, destination) = (destination, source);
    A::write(frame, &Header { source, destination, class: 0, entropy: 0, protocol: A::ICMP, payload })?;
    frame.write(ETHERNET + A::LENGTH, Pair { first: kind | u32::from(checksum) << 16, second: mtu })
}

/// The sum of a packet's first `bytes` bytes.
#[inline(always)]
fn sum<F: Frame>(frame: &F, bytes: usize) -> Option<u64> {
    let mut sum = 0;
    let mut at = 0;
    while at < bytes {
        let part = (bytes - at).min(MOST_SUMMED);
        sum += frame.sum(ETHERNET + at, part)?;
        at += part;
    }
    Some(sum)
}
