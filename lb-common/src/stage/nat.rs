//! Source ports: which binding a connection uses, and how it gets one.

use super::table;
use crate::{
    hash,
    net::{Address, Be16, Ip},
    packet::{Packet, TcpFlags},
    reason::Reason,
    settings::Settings,
    state::{Backend, BackendId, Binding, Bound, Forwarding, Target, binding::Stamp, flow::Entry},
    tables::Tables,
};

/// Ports tried before a connection is refused. With 94 % of them in use at random, all of these are
/// taken once in 2,700 times.
const PROBES: u32 = 128;
/// Ports tried before one that a stranger holds will do. Each is a line of memory: under a flood, when
/// strangers hold them all, this bounds what a packet costs.
const PATIENCE: u32 = 16;
/// Distance between two tries: prime, and far enough to leave another CPU's run of ports behind.
const STRIDE: u32 = 12_289;

/// The port at `offset` in the configured range.
#[inline(always)]
pub fn port(settings: &Settings, offset: u16) -> Be16 {
    Be16::new((settings.port_first.get() + u32::from(offset)) as u16)
}

/// Index in `BINDINGS` for what a reply carries.
#[inline(always)]
pub fn index_of(settings: &Settings, ours: Ip, backend: Ip, port: Be16, protocol: u8, offset: u16) -> u32 {
    let lane = hash::lane(settings, ours, backend, port, protocol) & settings.lane_mask.get();
    lane * settings.port_count.get() + u32::from(offset)
}

/// Index in `BINDINGS` of a connection whose client's address is kept: its replies carry no port of ours, so the
/// flow entry alone leads there, and the source it names is the lane.
#[inline(always)]
pub fn index_of_kept(settings: &Settings, source: u8, offset: u16) -> u32 {
    (u32::from(source) & settings.lane_mask.get()) * settings.port_count.get() + u32::from(offset)
}

/// Index in `BINDINGS` of a connection to `port` of `backend` by a target's source and port.
#[inline(always)]
pub fn index<T: Tables>(tables: &T, backend: &Backend, port: Be16, source: u8, offset: u16) -> u32 {
    let settings = tables.settings();
    if backend.forwarding() == Forwarding::NatPreserve {
        return index_of_kept(settings, source, offset);
    }
    let ours = tables.source(source).unwrap_or_default();
    index_of(settings, ours, backend.address, port, backend.protocol, offset)
}

/// Takes a port for a new connection and writes its way back; `None` if all that were tried are in use.
// Two steps, neither inlined, so that the second has the stack of the first.
#[inline(always)]
pub fn bind<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    id: BackendId,
    hash: u64,
) -> Option<Target> {
    let backend = &*tables.backend(id)?;
    let chosen = match backend.source_count {
        // The client's address is kept: connections spread over all lanes.
        0 => (hash >> 40) as u8,
        1 => backend.source_first,
        // A fair share without a division: the high half of a 32-bit product.
        count => backend.source_first + ((u64::from((hash >> 40) as u16) * u64::from(count)) >> 16) as u8,
    };
    let port = backend.port_for(packet.destination.port);
    let base = index(tables, backend, port, chosen, 0);
    let offset = tables.take_port(base, packet.protocol, packet.tcp)?;
    let target = Target::bound(id, chosen, offset as u16);
    write(packet, tables, base + offset, target);
    Some(target)
}

/// Writes the way back from `target` into the binding at `index`, which was just claimed.
#[inline(never)]
fn write<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, index: u32, target: Target) {
    let Some(binding) = tables.binding(index) else { return };
    let Some(backend) = tables.backend(target.backend()) else { return };
    binding.write(&Bound {
        client: packet.source.address.widen(),
        client_port: packet.source.port,
        called: packet.destination.port,
        protocol: packet.protocol,
        backend: target.backend(),
        source: target.source(),
        generation: backend.generation,
        ifindex: packet.ingress,
        client_mac: packet.source_mac,
        local_mac: packet.destination_mac,
    });
}

/// Claims a port of the lane that begins at `base` for a connection that begins so, and says which: the first that
/// is free, or where none is found soon, of those that strangers hold the one idle for longest. A proven
/// client's is never taken.
#[inline(always)]
pub fn take<T: Tables>(tables: &T, base: u32, protocol: u8, tcp: TcpFlags) -> Option<u32> {
    let (now, count) = (tables.now(), tables.settings().port_count.get());
    let own = Stamp::first(now, tcp, protocol);
    let mut at = tables.next_port();
    let mut least = (0, Stamp::default());
    for probe in 0..PROBES {
        let offset = at.checked_rem(count)?;
        at = at.wrapping_add(STRIDE + probe);
        let binding = tables.binding(base + offset)?;
        let stamp = binding.stamp();
        if stamp.is_free(now) && binding.claim(stamp, own) {
            return Some(offset);
        }
        if stamp.is_strangers() && (!least.1.is_taken() || stamp.seen() < least.1.seen()) {
            least = (offset, stamp);
        }
        if probe >= PATIENCE && least.1.is_taken() {
            break;
        }
    }
    let (offset, stamp) = least;
    // Lost to another CPU, it is as if none had been found: a client asks again.
    if !stamp.is_taken() || !tables.binding(base + offset)?.claim(stamp, own) {
        return None;
    }
    tables.count(Reason::PortDisplacedStranger);
    Some(offset)
}

/// Has replies go back the way that the client's packets come now: routes change while connections last.
#[inline(never)]
pub fn turn<A: Address>(packet: &Packet<A>, binding: &Binding) {
    if let Some(old) = binding.read() {
        let new = Bound {
            ifindex: packet.ingress,
            client_mac: packet.source_mac,
            local_mac: packet.destination_mac,
            ..old
        };
        binding.replace(&old, &new);
    }
}

/// Enters the way back of a connection whose client address is kept: its replies don't carry a port
/// of ours, so they are recognised by their own tuple. `way_back` is in the phase of the connection
/// itself: a stranger's displaces no proven client's.
#[inline(never)]
pub fn insert_reply<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    backend: &Backend,
    way_back: Entry,
) {
    let settings = tables.settings();
    let from = (A::narrow(backend.address), backend.port_for(packet.destination.port));
    let hash = hash::tuple(settings, from, (packet.source.address, packet.source.port), packet.protocol);
    table::enter(tables, hash, way_back, backend.generation);
}
