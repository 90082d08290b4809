//! The other end of the tunnel: unwraps on a backend what a balancer wrapped, in the kernel and on the
//! host. `limpet decap` runs it as a program of its own.
//!
//! ```text
//! frame -> outer header -> tunnel (IPIP | GUE) -> endpoint, sender -> inner header -> hops, destination, ECN
//!       -> shrink -> local stack
//! ```
//!
//! What is no tunnel packet to one of our endpoints passes untouched, as the host has other business too. What is
//! one is unwrapped or dropped; nothing that was unwrapped is for anybody but this host. So the program
//! opens no door for packets with forged addresses, but for those who may send, whom the network must keep
//! others from impersonating.
//!
//! Tunnels: IPv4 in IPv4 (RFC 2003), IPv4 and IPv6 in IPv6 (RFC 2473), and the same in UDP by
//! [GUE](https://datatracker.ietf.org/doc/html/draft-ietf-intarea-gue-09): variant 1, in which the inner packet
//! follows the UDP header directly, and variant 0 with an empty header, as Linux sends it. IPv6 in IPv4 (RFC
//! 4213), which Limpet never sends, passes: many a host has such a tunnel for itself.

pub mod ecn;
mod gue;
pub mod header;
#[cfg(feature = "std")]
mod host;
pub mod reason;
mod rule;

pub use self::{
    reason::Reason,
    rule::{Role, Rule},
};
#[cfg(feature = "std")]
pub use host::HostRules;

use self::header::{Family, Header};
use crate::{
    frame::{Frame, Pair},
    net::{Be16, V4, V6, protocol},
    packet::ETHERNET,
};

/// Offset of the EtherType.
const TYPE: usize = 12;
/// Tag protocol identifiers (IEEE 802.1Q customer and service tags), of which a frame may have this many.
const TAGS: [u16; 2] = [0x8100, 0x88a8];

/// A packet that goes on, or the reason why it doesn't.
type Step<T> = Result<T, Reason>;

/// What unwrapping reads and counts.
pub trait Rules {
    /// The UDP port of GUE tunnels.
    fn gue_port(&self) -> Be16;
    /// True if a prefix of the table holds what is asked.
    fn allows(&self, asked: &Rule) -> bool;
    /// Counts a packet.
    fn count(&self, reason: Reason);
}

/// How a packet was wrapped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tunnel {
    /// The inner header follows the outer one.
    Ipip,
    /// Between them are a UDP header and perhaps GUE's.
    Gue,
}

/// Unwraps a packet, where that is its fate, and counts it. The frame goes on to the local stack unless the
/// reason's kind is [`Kind::Drop`](crate::reason::Kind::Drop).
#[inline(always)]
pub fn process<F: Frame, R: Rules>(frame: &mut F, rules: &R) -> Reason {
    let reason = match unwrap(frame, rules) {
        Ok(()) => Reason::Decapsulated,
        Err(reason) => reason,
    };
    rules.count(reason);
    reason
}

/// Chooses the outer family, behind tags.
#[inline(always)]
fn unwrap<F: Frame, R: Rules>(frame: &mut F, rules: &R) -> Step<()> {
    let mut ether_type = frame.read::<Be16>(TYPE).ok_or(Reason::NotTunnel)?.get();
    for _ in TAGS {
        if TAGS.contains(&ether_type) {
            frame.skip_tag();
            ether_type = frame.read::<Be16>(TYPE).ok_or(Reason::NotTunnel)?.get();
        }
    }
    match ether_type {
        V4::TYPE => outer::<V4, F, R>(frame, rules),
        V6::TYPE => outer::<V6, F, R>(frame, rules),
        _ => Err(Reason::NotTunnel),
    }
}

/// One outer family: is it a tunnel packet to us, may its sender send, and what is inside?
// Not inlined, here and below: each has its own part of the kernel's stack, and the verifier walks fewer ways.
#[inline(never)]
fn outer<A: Family, F: Frame, R: Rules>(frame: &mut F, rules: &R) -> Step<()> {
    let header = A::header(frame, ETHERNET).ok_or(Reason::NotTunnel)?;
    let tunnel = tunnel(frame, rules, &header).ok_or(Reason::NotTunnel)?;
    if !rules.allows(&Rule::ask(Role::Endpoint, header.destination)) {
        return Err(Reason::NotTunnel);
    }
    if !rules.allows(&Rule::ask(Role::Sender, header.source)) {
        return Err(Reason::SenderNotAllowed);
    }
    if header.fragment.is_some() {
        return Err(Reason::Fragment);
    }
    // No balancer sends options, and without them every offset is known beforehand.
    if header.length != A::LENGTH {
        return Err(Reason::OuterOptions);
    }
    let end = ETHERNET + header.total;
    if !A::sums_up(frame, ETHERNET) || !frame.holds(end) {
        return Err(Reason::Malformed);
    }
    let ecn = A::ecn(frame, ETHERNET).ok_or(Reason::Malformed)?;
    let at = ETHERNET + A::LENGTH;
    match tunnel {
        Tunnel::Ipip if header.protocol == protocol::IPV4 => inner::<V4, F, R>(frame, rules, at, end, ecn),
        Tunnel::Ipip => inner::<V6, F, R>(frame, rules, at, end, ecn),
        Tunnel::Gue => gue::unwrap::<A, F, R>(frame, rules, at, end, ecn),
    }
}

/// The tunnel that a packet came through, if any.
#[inline(always)]
fn tunnel<A: Family, F: Frame, R: Rules>(frame: &F, rules: &R, header: &Header<A>) -> Option<Tunnel> {
    match header.protocol {
        protocol::IPV4 => Some(Tunnel::Ipip),
        protocol::IPV6 if A::VERSION == V6::VERSION => Some(Tunnel::Ipip),
        // Only a packet's first fragment has its ports; without it nobody can put the packet together.
        protocol::UDP if header.fragment.unwrap_or(0) == 0 => {
            let ports: &Pair<Be16> = frame.view(ETHERNET + header.length)?;
            ({ ports.second } == rules.gue_port()).then_some(Tunnel::Gue)
        }
        _ => None,
    }
}

/// One inner family: the packet at offset `at`, which must end before `end`, loses what is before it, if
/// it is good and for us.
#[inline(never)]
fn inner<A: Family, F: Frame, R: Rules>(
    frame: &mut F,
    rules: &R,
    at: usize,
    end: usize,
    outer_ecn: u8,
) -> Step<()> {
    let header = A::header(frame, at).ok_or(Reason::Malformed)?;
    if at + header.total > end {
        return Err(Reason::Malformed);
    }
    // RFC 2003 section 3.1: such a packet was dead before it was wrapped.
    if header.hops == 0 {
        return Err(Reason::HopLimit);
    }
    if !rules.allows(&Rule::ask(Role::Inner, header.destination)) {
        return Err(Reason::InnerNotLocal);
    }
    let inner_ecn = A::ecn(frame, at).ok_or(Reason::Malformed)?;
    let ecn = ecn::combine(inner_ecn, outer_ecn).ok_or(Reason::Congestion)?;
    frame.shrink(at - ETHERNET).ok_or(Reason::Malformed)?;
    frame.write(TYPE, Be16::new(A::TYPE)).ok_or(Reason::Malformed)?;
    if ecn != inner_ecn {
        A::set_ecn(frame, ecn).ok_or(Reason::Malformed)?;
    }
    Ok(())
}
