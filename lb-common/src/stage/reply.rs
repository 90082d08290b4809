//! The way back: a packet from a backend to one of its clients.

use super::{Route, nat};
use crate::{
    net::Address,
    packet::{End, Packet},
    state::{Forwarding, binding::Side},
    tables::Tables,
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
    nat::index_of(tables.settings(), ours, backend.address.widen(), backend.port, packet.protocol, offset)
}

/// The route back to the client of the binding at `index`, counted in its backend's figures; `None`
/// if the binding is not this packet's in full, as for the host's own connections to a backend.
#[inline(always)]
pub fn to_client<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, index: u32) -> Option<Route<A>> {
    let binding = tables.binding(index)?;
    if !binding.stamp().is_taken() {
        return None;
    }
    let bound = binding.read()?;
    let backend = tables.backend(bound.backend)?;
    let ours = if backend.forwarding() == Forwarding::NatPreserve {
        bound.client
    } else {
        tables.source(bound.source)?
    };
    if bound.generation != backend.generation
        || bound.protocol != packet.protocol
        || backend.port != packet.source.port
        || backend.address != packet.source.address.widen()
        || ours != packet.destination.address.widen()
    {
        return None;
    }
    if backend.forwarding() == Forwarding::NatPreserve && bound.client_port != packet.destination.port {
        return None;
    }
    binding.pass(tables.now(), packet.tcp, Side::Backend, packet.end());
    tables.traffic(bound.backend, |figures| {
        figures.reply_packets += 1;
        figures.reply_bytes += u64::from(packet.bytes);
    });
    Some(Route {
        ifindex: bound.ifindex,
        source_mac: bound.local_mac,
        target_mac: bound.client_mac,
        source: End { address: A::narrow(backend.service_address), port: backend.service_port },
        destination: End { address: A::narrow(bound.client), port: bound.client_port },
        rewrites_ends: true,
    })
}
