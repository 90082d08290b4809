//! Packets of connections that are not known: chosen for, remembered, sent on.

use super::{Fate, forward, refuse};
use crate::{
    frame::Frame,
    hash,
    header::Own,
    net::{V4, V6, protocol},
    packet::Packet,
    parse::{self, Family, Network, Part, Unparsed},
    quic,
    reason::Reason,
    rewrite::Layout,
    stage::{Packed, connect, flow, fragment},
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
// The headers are read once, by a function of its own, whose locals the steps after it need not carry.
#[inline(never)]
fn begin<A: Family + Layout + Own, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    let mut packet = Packet::default();
    let is_first = match read::<A, F, T>(frame, tables, &mut packet).unpack() {
        Ok(part) => part == FIRST,
        Err(reason) => return Err(reason).into(),
    };
    frame.forget_packet(&mut packet);
    let hash = hash::of(&packet, tables.settings());
    let named = match packet.protocol {
        protocol::UDP => quic::server(frame, &packet, tables),
        _ => quic::UNASKED,
    };
    if named != quic::UNASKED
        && let Ok(target) = known(&packet, tables, named, hash).target()
    {
        if is_first {
            remember_first::<A, F, T>(frame, tables, target);
        }
        return send(frame, tables, &packet, target);
    }
    let id = connect::decide(&packet, tables, named, hash);
    match id.and_then(|id| connect::bind(&packet, tables, hash, id)) {
        Ok(target) => {
            connect::remember(&packet, tables, target, hash);
            if is_first {
                remember_first::<A, F, T>(frame, tables, target);
            }
            send(frame, tables, &packet, target)
        }
        Err(reason) => Err(reason).into(),
    }
}

/// What [`read`] says of a packet that is the first of several fragments.
const FIRST: u64 = 1;

/// Reads the headers; says whether it is a first fragment, or the reason, if they lead nowhere.
// Most have nothing but an IP header before the transport's: the other way costs 20 ns more.
#[inline(never)]
fn read<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T, packet: &mut Packet<A>) -> Packed {
    match parse::packet(frame) {
        Ok(found) => {
            *packet = found;
            Packed(0)
        }
        Err(Unparsed::Rare) => read_rare(frame, tables, packet),
        Err(unparsed) => refuse(tables, unparsed).into(),
    }
}

/// As [`read`], of what has extension headers, or is a fragment.
#[inline(never)]
fn read_rare<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T, packet: &mut Packet<A>) -> Packed {
    let datagram = match parse::datagram::<A, F>(frame) {
        Ok(datagram) => datagram,
        Err(unparsed) => return refuse(tables, unparsed).into(),
    };
    match datagram.packet(frame) {
        Ok(found) => {
            *packet = found;
            Packed(if datagram.part == Part::First { FIRST } else { 0 })
        }
        Err(unparsed) => refuse(tables, unparsed).into(),
    }
}

/// The flow of a packet that is here for its connection id only, unless that names another backend.
#[inline(never)]
fn known<A: Family, T: Tables>(packet: &Packet<A>, tables: &T, named: BackendId, hash: u64) -> Packed {
    flow_beside_id(packet, tables, named, hash).ok_or(Reason::NotOurs).into()
}

#[inline(always)]
fn flow_beside_id<A: Family, T: Tables>(
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

/// Remembers where a first fragment goes, for those that come after it.
#[inline(never)]
fn remember_first<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T, target: Target) {
    let Ok(datagram) = parse::datagram::<A, F>(frame) else { return };
    fragment::enter(tables, target, fragment::common(&datagram, tables));
}

#[inline(always)]
fn send<A: Family + Layout + Own, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    target: Target,
) -> Fate {
    match tables.backend(target.backend()) {
        Some(backend) => forward(frame, tables, packet, target, &backend).into(),
        None => Err(Reason::NoBackend).into(),
    }
}
