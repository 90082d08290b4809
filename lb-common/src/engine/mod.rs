//! The packet path from end to end: the same function in the kernel and on the host.

mod fate;
mod rare;

pub use self::{
    fate::{Fate, Verdict},
    rare::rare,
};

use crate::{
    frame::Frame,
    hash,
    net::{Address, V4, V6},
    packet::Packet,
    parse::{self, Family, Network, Unparsed},
    reason::Reason,
    rewrite::{self, Layout},
    stage::{Step, flow, nat, reply},
    state::{Backend, ServiceKey, Target},
    tables::Tables,
};

/// What became of a packet that was sent on, and the interface that it leaves by.
pub type Sent = (Reason, u32);

/// Decides a packet's fate, rewrites it accordingly, and counts it.
pub fn process<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> (Reason, Verdict) {
    let fate = match common(frame, tables) {
        Fate::RARE => rare(frame, tables),
        fate => fate,
    };
    (fate.reason(), fate.conclude(tables))
}

/// Decides the fate of what nearly all packets are: whole TCP or UDP packets without tags or extension
/// headers, and what is nobody's. All others are [`Fate::RARE`], and as they were: they are for [`rare`],
/// apart, so that these don't pay for them.
#[inline(always)]
pub fn common<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    match parse::network(frame) {
        Some(Network::V4) => plain::<V4, F, T>(frame, tables),
        Some(Network::V6) => plain::<V6, F, T>(frame, tables),
        Some(Network::Tag) => Fate::RARE,
        Some(Network::Other) | None => Err(Reason::NotIp).into(),
    }
}

// What is not inlined here and below keeps the kernel's 512 bytes of stack, which all frames of a
// call chain share: siblings overlap, and the established path carries nobody else's locals.
#[inline(never)]
fn plain<A: Family + Layout, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Fate {
    match parse::packet::<A, F>(frame) {
        Ok(packet) => carry(frame, tables, &packet).into(),
        Err(Unparsed::Rare) => Fate::RARE,
        Err(unparsed) => Err(refuse(tables, unparsed)).into(),
    }
}

/// A TCP or UDP packet: back to a client, along its flow, or wherever its session or hash says.
#[inline(always)]
fn carry<A: Layout, F: Frame, T: Tables>(frame: &mut F, tables: &T, packet: &Packet<A>) -> Step<Sent> {
    if let Some(offset) = reply::port_offset(packet, tables)
        && let Some(sent) = answer(frame, tables, packet, reply::index(packet, tables, offset))
    {
        return Ok(sent);
    }
    let settings = tables.settings();
    let hash = hash::of(packet, settings);
    let (target, backend) = match flow::follow(packet, tables, hash) {
        Some((target, backend)) if target.is_reply() => {
            let ours = nat::source(tables, &backend, target.source());
            let index = nat::index(settings, ours, &backend, target.port());
            return answer(frame, tables, packet, index).ok_or(Reason::NotOurs);
        }
        Some(known) => known,
        None => {
            let target = tables.connect(packet, hash)?;
            tables.remember(packet, target, hash);
            (target, tables.backend(target.backend()).ok_or(Reason::NoBackend)?)
        }
    };
    forward(frame, tables, packet, target, &backend)
}

/// Sends a packet to its backend.
#[inline(never)]
fn forward<A: Layout, F: Frame, T: Tables>(
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

/// Sends a packet to its client, if the binding at `index` is its own.
#[inline(never)]
fn answer<A: Layout, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    index: u32,
) -> Option<Sent> {
    let route = reply::to_client(packet, tables, index)?;
    rewrite::apply(frame, packet, &route)?;
    Some((Reason::ToClient, route.ifindex))
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
    match tables.service(&ServiceKey::any_port(destination.widen())) {
        Some(_) => reason,
        None => Reason::NotOurs,
    }
}
