//! The way back: a packet from a backend to one of its clients.

use super::{Route, flow, nat};
use crate::{
    hash,
    net::Address,
    packet::{End, Packet},
    state::{Backend, BackendId, Bound, Forwarding, Port, Target, binding::Side},
    tables::{Cache, Tables},
};

/// Where in the configured range the packet's destination port lies, if it does: it may then be the
/// reply to a source-rewritten connection.
#[inline(always)]
pub fn port_offset<A: Address, T: Tables>(packet: &Packet<A>, tables: &T) -> Option<u16> {
    let settings = tables.settings();
    let offset = u32::from(packet.destination.port.get()).wrapping_sub(settings.port_first.get());
    (offset < settings.port_count.get()).then_some(offset as u16)
}

/// Index in `BINDINGS` that a reply to the port at `offset` leads to.
#[inline(always)]
pub fn index<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, offset: u16) -> u32 {
    let (ours, backend) = (packet.destination.address.widen(), packet.source);
    let settings = tables.settings();
    let lane = nat::lane_of(settings, ours, backend.address.widen(), backend.port, packet.protocol);
    nat::index(settings, lane, offset.into())
}

/// A port, the connection behind it, and the backend.
type Found<'t, T> = (<T as Tables>::Ref<'t, Port>, Bound, <T as Tables>::Ref<'t, Backend>);

/// The binding at `index`, the connection behind it and its backend, if they are the packet's in full;
/// `None` for the host's own connections to a backend.
#[inline(always)]
fn find<'t, A: Address, T: Tables>(packet: &Packet<A>, tables: &'t T, index: u32) -> Option<Found<'t, T>> {
    let port = tables.port(index)?;
    if !port.stamp().is_taken() {
        return None;
    }
    let bound = tables.binding(index)?.read()?;
    let backend = tables.backend(bound.backend)?;
    if bound.protocol != packet.protocol
        || backend.port_for(bound.called) != packet.source.port
        || !belongs(tables, &bound, &backend, packet.source.address, packet.destination.address)
    {
        return None;
    }
    if backend.forwarding() == Forwarding::NatPreserve && bound.client_port != packet.destination.port {
        return None;
    }
    Some((port, bound, backend))
}

/// Is the connection behind a binding one of this backend, of this generation, between these addresses?
#[inline(always)]
fn belongs<A: Address, T: Tables>(tables: &T, bound: &Bound, backend: &Backend, from: A, to: A) -> bool {
    let ours = if backend.forwarding() == Forwarding::NatPreserve {
        bound.client
    } else {
        let Some(source) = tables.source(bound.source) else { return false };
        source
    };
    bound.generation == backend.generation && backend.address == from.widen() && ours == to.widen()
}

/// The route back to the client of the binding at `index`, counted in its backend's figures; `None`
/// if the binding is not this packet's in full.
#[inline(always)]
pub fn to_client<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, index: u32) -> Option<Route<A>> {
    let (port, bound, backend) = find(packet, tables, index)?;
    // What acknowledges the segment matters only until the client has proved itself.
    let number = if port.stamp().is_strangers() { packet.end() } else { 0 };
    port.pass(tables.now(), packet.tcp, Side::Backend, number);
    count(packet, tables, &bound);
    Some(route(&bound, &backend))
}

/// The connection that a packet belongs to, in either direction; on the way back, as a target with the index
/// of its binding. Nothing is renewed.
#[inline(always)]
pub fn target<A: Address, T: Tables>(packet: &Packet<A>, tables: &T) -> Option<Target> {
    if let Some(offset) = port_offset(packet, tables) {
        let index = index(packet, tables, offset);
        if let Some((_, bound, _)) = find(packet, tables, index) {
            return Target::answer(bound.backend, index);
        }
    }
    let (entry, backend) = flow::known(tables, Cache::Flows, hash::of(packet, tables.settings()))?;
    let target = entry.target();
    if backend.is_direct() {
        return Some(target);
    }
    // The flow must still own its source port: else the answer would go to the connection that has it now.
    let (client, port) = if target.is_reply() {
        (packet.destination, packet.source.port)
    } else {
        (packet.source, backend.port_for(packet.destination.port))
    };
    let index = nat::index_of(tables, &backend, port, target);
    let bound = tables.binding(index)?.read()?;
    if !bound.is_of(target.backend(), client.address.widen(), client.port)
        || port != backend.port_for(bound.called)
    {
        return None;
    }
    if target.is_reply() { Target::answer(target.backend(), index) } else { Some(target) }
}

/// The route back to the client of the binding at `index`, for a packet without ports, or one that only quotes
/// them; counted in the backend's figures. `None` if the binding is another connection's by now.
#[inline(always)]
pub fn along<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    id: BackendId,
    backend: &Backend,
    index: u32,
) -> Option<Route<A>> {
    let bound = tables.binding(index)?.read()?;
    if bound.backend != id
        || !belongs(tables, &bound, backend, packet.source.address, packet.destination.address)
    {
        return None;
    }
    count(packet, tables, &bound);
    Some(route(&bound, backend))
}

/// Counts a packet to a client in its backend's figures.
#[inline(always)]
fn count<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, bound: &Bound) {
    tables.traffic(bound.backend, |figures| {
        figures.reply_packets += 1;
        figures.reply_bytes += u64::from(packet.bytes);
    });
}

/// The route to the client behind a binding.
#[inline(always)]
fn route<A: Address>(bound: &Bound, backend: &Backend) -> Route<A> {
    Route {
        ifindex: bound.ifindex,
        source_mac: bound.local_mac,
        target_mac: bound.client_mac,
        source: End { address: A::narrow(backend.service_address), port: bound.called },
        destination: End { address: A::narrow(bound.client), port: bound.client_port },
        rewrites_ends: true,
    }
}
