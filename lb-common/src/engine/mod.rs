//! The packet path from end to end: the same function in the kernel and on the host.

mod fate;
mod fresh;
mod rare;

pub use self::{
    fate::{Fate, Verdict},
    fresh::fresh,
    rare::rare,
};

use crate::{
    encapsulate,
    frame::Frame,
    hash,
    header::Own,
    net::{Address, V4, V6},
    packet::Packet,
    parse::{self, Family, Network, Unparsed},
    reason::Reason,
    rewrite::{self, Layout},
    stage::{Step, flow, nat, reply, service},
    state::{Backend, HandedOver, Target},
    tables::Tables,
};

/// What became of a packet that was sent on, and the interface that it leaves by; or [`Reason::TooBig`], and the
/// bytes that would fit.
pub type Sent = (Reason, u32);

/// Decides a packet's fate, rewrites it accordingly, and counts it.
pub fn process<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> (Reason, Verdict) {
    let mut fate = common(frame, tables);
    if fate == Fate::RARE {
        fate = rare(frame, tables);
    }
    if fate == Fate::NEW {
        fate = fresh(frame, tables);
    }
    if fate.wants_answer() {
        fate = fate.answered(frame, tables);
    }
    (fate.reason(), fate.conclude(tables))
}

/// Decides the fate of what nearly all packets are: whole TCP or UDP packets of known connections but for SYNs, without tags
/// or extension headers, and what is nobody's. All others are [`Fate::RARE`] or [`Fate::NEW`], and as they
/// were: they are for [`rare`] and [`fresh`], apart, so that these don't pay for them.
#[inline(always)]
pub fn common<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    match parse::network(frame) {
        Some(Network::V4) => plain::<V4, F, T>(frame, tables),
        Some(Network::V6) => plain::<V6, F, T>(frame, tables),
        Some(Network::Tag) => Fate::RARE,
        Some(Network::Other) | None => Err(Reason::NotIp).into(),
    }
}

// What is not inlined below keeps the kernel's 512 bytes of stack, which all frames of a call chain share: siblings
// overlap, and the established path carries nobody else's locals. But each call takes 1.5 ns, and 6 where returns
// are guarded (AMD's Safe RET).
#[inline(always)]
fn plain<A: Family + Layout + Own + HandedOver, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    match parse::packet::<A, F>(frame) {
        Ok(packet) => carry(frame, tables, &packet, 0),
        Err(Unparsed::Rare) => Fate::RARE,
        Err(unparsed) => Err(refuse(tables, unparsed)).into(),
    }
}

/// A TCP or UDP packet: back to a client, or along its flow; [`Fate::NEW`] if it may be for a service and has none, or is a
/// SYN, and then it is handed over. `common` is what the fragments after it have in common with it, 0 for a whole packet.
#[inline(always)]
fn carry<A: Layout + Own + HandedOver, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    common: u64,
) -> Fate {
    if let Some(offset) = reply::port_offset(packet, tables) {
        let fate = answer(frame, tables, packet, reply::index(packet, tables, offset));
        if fate.is_sent() {
            return fate;
        }
    }
    let settings = tables.settings();
    let hash = hash::of(packet, settings);
    let may_be_ours = || service::may_have_address(tables, packet.destination.address.widen());
    // Hardly a SYN's connection is known, and if it is, `fresh` will find it.
    if packet.tcp.opens() && may_be_ours() {
        return leave(frame, tables, packet, hash, common);
    }
    let Some((target, backend)) = flow::follow(packet, tables, hash) else {
        // Nearly all of other people's packets end here.
        return if may_be_ours() {
            leave(frame, tables, packet, hash, common)
        } else {
            Err(Reason::NotOurs).into()
        };
    };
    if target.is_reply() {
        return answer(frame, tables, packet, nat::index_of_kept(settings, target));
    }
    if backend.by_connection_id() {
        // Its connection id may name another backend than the flow's.
        return leave(frame, tables, packet, hash, common);
    }
    forward(frame, tables, packet, target, &backend).into()
}

/// Leaves a packet to [`fresh`], which need not read its headers again.
#[inline(always)]
fn leave<A: HandedOver, F: Frame, T: Tables>(
    frame: &F,
    tables: &T,
    packet: &Packet<A>,
    hash: u64,
    common: u64,
) -> Fate {
    tables.hand_over(|handover| {
        handover.hash = hash;
        handover.common = common;
        handover.tags = frame.tags() as u64;
        handover.put(packet);
    });
    Fate::NEW
}

/// Sends a packet to its backend. The two large ways are functions, so that neither carries the other's locals; the
/// short one is inline, which saves a call.
#[inline(always)]
fn forward<A: Layout + Own, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    target: Target,
    backend: &Backend,
) -> Step<Sent> {
    if backend.is_tunnelled() {
        encapsulate::forward(frame, tables, packet, target, backend)
    } else if backend.is_direct() {
        direct(frame, tables, packet, target, backend)
    } else {
        rewritten(frame, tables, packet, target, backend)
    }
}

/// Sends a packet to its backend as it is.
#[inline(always)]
fn direct<A: Layout, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    target: Target,
    backend: &Backend,
) -> Step<Sent> {
    if backend.target_mac.is_zero() {
        return Err(Reason::NoNextHop);
    }
    frame.set_macs(backend.target_mac, backend.source_mac).ok_or(Reason::Malformed)?;
    flow::count(tables, packet, target);
    Ok((Reason::ToBackend, backend.ifindex))
}

/// Sends a packet to its backend, with other addresses.
#[inline(never)]
fn rewritten<A: Layout, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    target: Target,
    backend: &Backend,
) -> Step<Sent> {
    let route = flow::to_backend(packet, tables, target, backend)?;
    rewrite::apply(frame, packet, &route).ok_or(Reason::Malformed)?;
    Ok((Reason::ToBackend, route.ifindex))
}

/// Sends a packet to its client, if the binding at `index` is its own; else [`Reason::NotOurs`].
#[inline(never)]
fn answer<A: Layout, F: Frame, T: Tables>(frame: &mut F, tables: &T, packet: &Packet<A>, index: u32) -> Fate {
    let route = reply::to_client(packet, tables, index);
    let sent = route.and_then(|route| {
        rewrite::apply(frame, packet, &route)?;
        Some((Reason::ToClient, route.ifindex))
    });
    sent.ok_or(Reason::NotOurs).into()
}

/// The fate of a packet that can't be parsed.
#[inline(always)]
fn refuse<A: Address, T: Tables>(tables: &T, unparsed: Unparsed<A>) -> Reason {
    match unparsed {
        Unparsed::For { destination, reason } => judge(tables, &destination, reason),
        Unparsed::NoAddress | Unparsed::Rare => Reason::NotOurs,
    }
}

/// The fate of a packet without a flow: its own reason if it is for a service, else not ours.
#[inline(never)]
fn judge<A: Address, T: Tables>(tables: &T, destination: &A, reason: Reason) -> Reason {
    if service::has_address(tables, &destination.widen()) { reason } else { Reason::NotOurs }
}
