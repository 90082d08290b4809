//! Packets of connections that are not known, and all SYNs: chosen for, remembered, sent on.

use super::{Fate, answer, forward};
use crate::{
    frame::Frame,
    header::Own,
    net::{Address, V4, V6, protocol},
    packet::Packet,
    quic,
    reason::Reason,
    rewrite::Layout,
    stage::{Packed, connect, flow, fragment, nat},
    state::{Backend, BackendId, HandedOver, Handover, Target},
    tables::{Cache, Tables},
};

/// Decides the fate of a TCP or UDP packet, or its first fragment, that was handed over: no connection is known for it, or nobody
/// has looked yet.
#[inline(always)]
pub fn fresh<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    let Some(handover) = tables.handed_over() else { return Err(Reason::Malformed).into() };
    frame.step_over(handover.tags as usize);
    match handover.words() {
        V4::WORDS => begin::<V4, F, T>(frame, tables, &handover),
        V6::WORDS => begin::<V6, F, T>(frame, tables, &handover),
        _ => Err(Reason::Malformed).into(),
    }
}

/// One family's packet.
// Not inlined: with the frame's ends in sight the compiler leaves out a check that the verifier misses (`quic::server`).
#[inline(never)]
fn begin<A: HandedOver + Layout + Own, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    handover: &Handover,
) -> Fate {
    let (packet, hash) = (A::place(handover), handover.hash);
    let named = match packet.protocol {
        protocol::UDP => quic::server(frame, packet, tables),
        _ => quic::UNASKED,
    };
    if named != quic::UNASKED
        && let Ok(target) = known(packet, tables, named, hash).target()
        && let Some(backend) = tables.backend(target.backend())
    {
        return send::<A, F, T>(frame, tables, handover, target, &backend);
    }
    // Here, as hardly a SYN's connection is known: its lines of memory are waited for together with those that come next.
    if packet.tcp.opens()
        && let Some((target, backend)) = flow::follow(packet, tables, hash)
    {
        if target.is_reply() {
            return answer(frame, tables, packet, nat::index_of_kept(tables.settings(), target));
        }
        return send::<A, F, T>(frame, tables, handover, target, &backend);
    }
    let (id, backend) = match connect::decide(packet, tables, named, hash) {
        Ok(chosen) => chosen,
        Err(reason) => return Err(reason).into(),
    };
    match connect::bind(packet, tables, hash, (id, &backend)) {
        Ok(target) => {
            connect::remember(packet, tables, target, &backend, hash);
            send::<A, F, T>(frame, tables, handover, target, &backend)
        }
        Err(reason) => Err(reason).into(),
    }
}

/// The flow of a packet that is here for its connection id only, unless that names another backend.
#[inline(never)]
fn known<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, named: BackendId, hash: u64) -> Packed {
    flow_beside_id(packet, tables, named, hash).ok_or(Reason::NotOurs).into()
}

#[inline(always)]
fn flow_beside_id<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    named: BackendId,
    hash: u64,
) -> Option<Target> {
    let (entry, backend) = flow::known(tables, Cache::Flows, hash)?;
    let target = entry.target();
    if !backend.by_connection_id() || target.is_reply() || quic::overrules(tables, named, target.backend()) {
        return None;
    }
    // It was renewed on the way here, in this tick or the last, if it could be: it may have lost its source port,
    // and its client may not be let in any more.
    let is_live = entry.idle(tables.now()) <= 1
        && tables.health(target.backend()).serves()
        && tables.keep(packet, entry).is_some()
        && tables.renew(packet, entry, entry);
    is_live.then_some(target)
}

/// Sends a packet to its backend, and remembers where, if fragments of it come after it.
#[inline(always)]
fn send<A: HandedOver + Layout + Own, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    handover: &Handover,
    target: Target,
    backend: &Backend,
) -> Fate {
    if handover.common != 0 {
        fragment::enter(tables, target, handover.common);
    }
    forward(frame, tables, A::place(handover), target, backend).into()
}
