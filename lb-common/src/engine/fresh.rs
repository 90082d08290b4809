//! Packets of connections that are not known: chosen for, remembered, sent on.

use super::{Fate, Sent, forward, refuse};
use crate::{
    frame::Frame,
    hash,
    header::Own,
    net::{V4, V6},
    packet::Packet,
    parse::{self, Family, Network, Part},
    reason::Reason,
    rewrite::Layout,
    stage::{Packed, Step, connect, fragment},
    state::Target,
    tables::Tables,
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
    match Packed(frame.forget(choose::<A, F, T>(frame, tables).0)).unpack() {
        Ok(target) => {
            remember::<A, F, T>(frame, tables, target);
            send::<A, F, T>(frame, tables, target)
        }
        Err(reason) => Err(reason).into(),
    }
}

#[inline(never)]
fn choose<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T) -> Packed {
    match packet::<A, F, T>(frame, tables) {
        Ok(packet) => connect::connect(&packet, tables, hash::of(&packet, tables.settings())).into(),
        Err(reason) => Err(reason).into(),
    }
}

#[inline(never)]
fn remember<A: Family, F: Frame, T: Tables>(frame: &F, tables: &T, target: Target) {
    let Ok(datagram) = parse::datagram::<A, F>(frame) else { return };
    let Ok(packet) = datagram.packet(frame) else { return };
    connect::remember(&packet, tables, target, hash::of(&packet, tables.settings()));
    if datagram.part == Part::First {
        fragment::remember(&packet, tables, fragment::common(&datagram, tables));
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
