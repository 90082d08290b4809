//! A packet into a tunnel: unchanged, TTL and all, behind an outer header of its backend's family.
//!
//! * `ipip` (RFC 2003, RFC 2473, RFC 4213): the packet follows the outer IP header directly.
//! * `gue` (draft-ietf-intarea-gue-09 section 4, "variant 1"): a UDP header stands in between, and none of
//!   GUE's own, as the first four bits of the packet say which version of IP it is. The UDP source port is of
//!   the flow (section 5.11.1), in the range that is nobody's (RFC 6335 section 6). There is no UDP checksum:
//!   the packet has its own, and IPv6 allows for that in tunnels (RFC 6935 section 5).
//!
//! DSCP and ECN are the packet's (RFC 2983, RFC 6040). The IPv6 flow label is the flow's (RFC 6438).

use crate::{
    engine::Sent,
    frame::{Frame, Pair},
    header::{Header, Own},
    net::{Address, V4, V6, protocol},
    packet::{ETHERNET, Packet},
    reason::Reason,
    stage::{Step, flow},
    state::{Backend, Forwarding, Target, Tunnel},
    tables::Tables,
};

/// Bytes of a UDP header.
const UDP: usize = 8;
/// First of the ports that nobody is registered for; the others have the same upper two bits.
const DYNAMIC: u32 = 0xc000;

/// Sends a packet to its backend in an outer packet. One that doesn't fit is [`Reason::TooBig`], with the bytes
/// that would.
// Not inlined: the stack of the modes without a tunnel stays as it was.
#[inline(never)]
pub fn forward<A: Own, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    target: Target,
    backend: &Backend,
) -> Step<Sent> {
    if backend.target_mac.is_zero() {
        return Err(Reason::NoNextHop);
    }
    // An IPv6 packet has an IPv6 backend: the configuration refuses others.
    let is_outer_v6 = A::WORDS > 1 || !V6::narrow(backend.address).is_mapped();
    let tunnel = tables.tunnel(Tunnel::index(is_outer_v6)).ok_or(Reason::NoNextHop)?;
    let udp = if backend.forwarding() == Forwarding::Gue { UDP } else { 0 };
    let outer = if is_outer_v6 { V6::LENGTH } else { V4::LENGTH };
    let room = tunnel.mtu.saturating_sub((outer + udp) as u32);
    if packet.bytes > room {
        return Ok((Reason::TooBig, room));
    }
    if is_outer_v6 {
        wrap::<A, V6, F>(frame, packet.bytes, target, backend, &tunnel)
    } else {
        wrap::<A, V4, F>(frame, packet.bytes, target, backend, &tunnel)
    }
    .ok_or(Reason::NoHeadroom)?;
    flow::count(tables, packet, target);
    Ok((Reason::ToBackend, backend.ifindex))
}

/// Puts the outer headers before a packet of `bytes` bytes. What follows it in the frame is padding, and
/// stays outside.
#[inline(always)]
fn wrap<A: Own, O: Own, F: Frame>(
    frame: &mut F,
    bytes: u32,
    target: Target,
    backend: &Backend,
    tunnel: &Tunnel,
) -> Option<()> {
    let class = A::class(frame)?;
    let entropy = target.entropy();
    let (protocol, payload) = if backend.forwarding() == Forwarding::Gue {
        frame.grow(O::LENGTH + UDP)?;
        let port = DYNAMIC | (entropy & !DYNAMIC & 0xffff);
        let ports = (port << 16 | u32::from(tunnel.gue_port.get())).to_be();
        let payload = bytes + UDP as u32;
        frame.write(ETHERNET + O::LENGTH, Pair { first: ports, second: (payload << 16).to_be() })?;
        (protocol::UDP, payload)
    } else {
        frame.grow(O::LENGTH)?;
        (if A::WORDS == 1 { protocol::IPV4 } else { protocol::IPV6 }, bytes)
    };
    let source = O::narrow(tunnel.source(entropy));
    let destination = O::narrow(backend.address);
    O::write(frame, &Header { source, destination, class, entropy, protocol, payload })?;
    frame.set_macs(backend.target_mac, backend.source_mac)
}
