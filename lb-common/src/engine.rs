//! The packet path from end to end: the same function in the kernel and on the host.

use crate::{
    encapsulate,
    frame::Frame,
    hash,
    header::Own,
    net::{V4, V6},
    packet::Packet,
    parse::{self, Family, Network, Unparsed},
    reason::{Kind, Reason},
    rewrite::{self, Layout},
    stage::{Step, flow, nat, reply},
    state::{Backend, ServiceKey, Target},
    tables::Tables,
    too_big,
};

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Goes on to the local network stack, untouched.
    Pass,
    /// Is dropped.
    Drop,
    /// Leaves by this interface.
    Send {
        /// Interface index.
        ifindex: u32,
    },
}

/// Decides a packet's fate, rewrites it accordingly, and counts it.
#[inline(always)]
pub fn process<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> (Reason, Verdict) {
    let step = match start(frame, tables) {
        Ok((Reason::TooBig, room)) => too_big::answer(frame, tables, room),
        step => step,
    };
    let (reason, verdict) = match step {
        Ok((reason, ifindex)) => (reason, Verdict::Send { ifindex }),
        Err(reason) => (reason, if let Kind::Drop = reason.kind() { Verdict::Drop } else { Verdict::Pass }),
    };
    tables.count(reason);
    (reason, verdict)
}

/// Chooses the family.
#[inline(always)]
fn start<F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Step<(Reason, u32)> {
    match parse::network(frame).ok_or(Reason::NotIp)? {
        Network::V4 => run::<V4, F, T>(frame, tables),
        Network::V6 => run::<V6, F, T>(frame, tables),
        Network::Other => Err(Reason::NotIp),
    }
}

/// One family's packet: back to a client, along its flow, or wherever its session or hash says.
// What is not inlined here and below keeps the kernel's 512 bytes of stack, which all frames of a
// call chain share: siblings overlap, and the established path carries nobody else's locals.
#[inline(never)]
fn run<A: Family + Layout + Own, F: Frame, T: Tables>(frame: &mut F, tables: &T) -> Step<(Reason, u32)> {
    let packet = match parse::packet::<A, F>(frame) {
        Ok(packet) => packet,
        Err(Unparsed::NoAddress) => return Err(Reason::NotOurs),
        Err(Unparsed::For { destination, reason }) => return Err(judge(tables, &destination, reason)),
    };
    if let Some(offset) = reply::port_offset(&packet, tables)
        && let Some(sent) = answer(frame, tables, &packet, reply::index(&packet, tables, offset))
    {
        return Ok(sent);
    }
    let settings = tables.settings();
    let (from, to) = (packet.source, packet.destination);
    let hash = hash::tuple(settings, (from.address, from.port), (to.address, to.port), packet.protocol);
    let (target, backend) = match flow::follow(&packet, tables, hash) {
        Some((target, backend)) if target.is_reply() => {
            let ours = nat::source(tables, &backend, target.source());
            let index = nat::index(settings, ours, &backend, target.port());
            return answer(frame, tables, &packet, index).ok_or(Reason::NotOurs);
        }
        Some(known) => known,
        None => {
            let target = tables.connect(&packet, hash)?;
            (target, tables.backend(target.backend()).ok_or(Reason::NoBackend)?)
        }
    };
    forward(frame, tables, &packet, target, &backend)
}

/// Sends a packet to its backend. The two ways are two functions, so that neither carries the other's locals.
#[inline(always)]
fn forward<A: Layout + Own, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    target: Target,
    backend: &Backend,
) -> Step<(Reason, u32)> {
    if backend.is_tunnelled() {
        encapsulate::forward(frame, tables, packet, target, backend)
    } else {
        rewrite(frame, tables, packet, target, backend)
    }
}

/// Sends a packet to its backend, with other addresses.
#[inline(never)]
fn rewrite<A: Layout, F: Frame, T: Tables>(
    frame: &mut F,
    tables: &T,
    packet: &Packet<A>,
    target: Target,
    backend: &Backend,
) -> Step<(Reason, u32)> {
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
) -> Option<(Reason, u32)> {
    let route = reply::to_client(packet, tables, index)?;
    rewrite::apply(frame, packet, &route)?;
    Some((Reason::ToClient, route.ifindex))
}

/// The fate of a packet without a flow: its own reason if it is for a service, else not ours.
#[inline(never)]
fn judge<A: Family, T: Tables>(tables: &T, destination: &A, reason: Reason) -> Reason {
    match tables.service(&ServiceKey::any_port(destination.widen())) {
        Some(_) => reason,
        None => Reason::NotOurs,
    }
}
