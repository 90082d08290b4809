//! Packets of connections that are not known: chosen for, remembered, sent on.

use super::{Fate, Sent, forward, refuse};
use crate::{
    frame::Frame,
    hash,
    header::Own,
    net::{V4, V6, protocol},
    packet::Packet,
    parse::{self, Family, Network, Part},
    quic,
    reason::Reason,
    rewrite::Layout,
    stage::{Packed, Step, connect, flow, fragment},
    state::{BackendId, Target},
    tables::{Cache, Tables},
};

/// Decides the fate of a TCP or UDP packet, or its first fragment, that no connection is known for.
#[inline(always)]
pub fn fresh<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    match parse::untagged(frame) {
        Some(Network::V4) => begin::<V4, F, T>(frame, tables),
        Some(Network::V6) => begin::<V6, F, T>(frame, tables),
        Some(Network::Tag | Network::Other) | None => Err(Reason::NotIp).into(),
    }
}

/// One family's packet.
// Each step reads the headers again, and in turn keeps nothing of the others on the stack.
#[inline(always)]
fn begin<A: Family + Layout + Own, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    let named = BackendId(frame.forget(named::<A, F, T>(frame, tables).into()) as u32);
    if named != quic::UNASKED
        && let Ok(target) = Packed(frame.forget(known::<A, F, T>(frame, tables, named).0)).unpack()
    {
        remember_first::<A, F, T>(frame, tables, target);
        return send::<A, F, T>(frame, tables, target);
    }
    match Packed(frame.forget(choose::<A, F, T>(frame, tables, named).0)).unpack() {
        Ok(target) => {
            remember::<A, F, T>(frame, tables, target);
            remember_first::<A, F, T>(frame, tables, target);
            send::<A, F, T>(frame, tables, target)
        }
        Err(reason) => Err(reason).into(),
    }
}

/// The backend that the packet's connection id names, where ids are looked at.
#[inline(never)]
fn named<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T) -> u32 {
    match packet::<A, F, T>(frame, tables) {
        Ok(packet) if packet.protocol == protocol::UDP => quic::server(frame, &packet, tables).0,
        _ => quic::UNASKED.0,
    }
}

/// The flow of a packet that is here for its connection id only, unless that names another backend.
#[inline(never)]
fn known<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T, named: BackendId) -> Packed {
    match packet::<A, F, T>(frame, tables) {
        Ok(packet) => flow_beside_id(&packet, tables, named).ok_or(Reason::NotOurs).into(),
        Err(reason) => Err(reason).into(),
    }
}

#[inline(always)]
fn flow_beside_id<A: Family, T: Tables>(packet: &Packet<A>, tables: &T, named: BackendId) -> Option<Target> {
    let (entry, backend) = flow::known(tables, Cache::Flows, hash::of(packet, tables.settings()))?;
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

#[inline(never)]
fn choose<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T, named: BackendId) -> Packed {
    match packet::<A, F, T>(frame, tables) {
        Ok(packet) => {
            let hash = hash::of(&packet, tables.settings());
            connect::connect(&packet, tables, hash, named).into()
        }
        Err(reason) => Err(reason).into(),
    }
}

#[inline(never)]
fn remember<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T, target: Target) {
    if let Ok(packet) = packet::<A, F, T>(frame, tables) {
        connect::remember(&packet, tables, target, hash::of(&packet, tables.settings()));
    }
}

/// Remembers where a first fragment goes, for those that come after it.
#[inline(never)]
fn remember_first<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T, target: Target) {
    let Ok(datagram) = parse::datagram::<A, F>(frame) else { return };
    if datagram.part == Part::First {
        fragment::enter(tables, target, fragment::common(&datagram, tables));
    }
}

#[inline(never)]
fn send<A: Family + Layout + Own, F: Frame, T: Tables>(frame: &mut F, tables: &T, target: Target) -> Fate {
    sent::<A, F, T>(frame, tables, target).into()
}

#[inline(always)]
fn sent<A: Family + Layout + Own, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    target: Target,
) -> Step<Sent> {
    let packet = packet::<A, F, T>(frame, tables)?;
    let backend = tables.backend(target.backend()).ok_or(Reason::NoBackend)?;
    forward(frame, tables, &packet, target, &backend)
}

#[inline(always)]
fn packet<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T) -> Step<Packet<A>> {
    let datagram = match parse::datagram::<A, F>(frame) {
        Ok(datagram) => datagram,
        Err(unparsed) => return Err(refuse(tables, unparsed)),
    };
    match datagram.packet(frame) {
        Ok(packet) => Ok(packet),
        Err(unparsed) => Err(refuse(tables, unparsed)),
    }
}
