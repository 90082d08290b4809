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

/// Ports tried before a connection is refused: those of 16 lines. With 94 % of them in use at random, all are
/// taken once in 2,700 times. Ports that were taken one after another are in use together, too, so lines are tried far from
/// one another.
const PROBES: u32 = 128;
/// Ports tried before one that a stranger holds will do, eight lines and one more: under a flood, when strangers hold
/// them all, this bounds what a packet costs.
const PATIENCE: u32 = 64;
/// Stamps in a line of memory: ports that are tried for the price of one.
const LINE: u32 = 8;
/// From the end of a line to the next that is tried: a prime number of lines, far enough to leave another CPU's run of
/// ports behind.
const STRIDE: u32 = 1_531 * LINE;

/// The port at `offset` in the configured range.
#[inline(always)]
pub fn port(settings: &Settings, offset: u16) -> Be16 {
    Be16::new((settings.port_first.get() + u32::from(offset)) as u16)
}

/// Index in `BINDINGS` and `PORTS` of the port at `offset` of a lane's range.
#[inline(always)]
pub fn index(settings: &Settings, lane: u32, offset: u32) -> u32 {
    lane * settings.port_count.get() + offset
}

/// The lane that a reply leads to.
#[inline(always)]
pub fn lane_of(settings: &Settings, ours: Ip, backend: Ip, port: Be16, protocol: u8) -> u32 {
    hash::lane(settings, ours, backend, port, protocol) & settings.lane_mask.get()
}

/// The lane of a connection whose client's address is kept: its replies carry no port of ours, so the flow entry alone
/// leads there, and the source it names is the lane.
#[inline(always)]
fn lane_of_kept(settings: &Settings, source: u8) -> u32 {
    u32::from(source) & settings.lane_mask.get()
}

/// [`index_of`] a reply whose flow entry has this target.
#[inline(always)]
pub fn index_of_kept(settings: &Settings, target: Target) -> u32 {
    index(settings, lane_of_kept(settings, target.source()), target.port().into())
}

/// The lane of connections to `port` of `backend` from a source of ours.
#[inline(always)]
fn lane<T: Tables>(tables: &T, backend: &Backend, port: Be16, source: u8) -> u32 {
    let settings = tables.settings();
    if backend.forwarding() == Forwarding::NatPreserve {
        return lane_of_kept(settings, source);
    }
    let ours = tables.source(source).unwrap_or_default();
    lane_of(settings, ours, backend.address, port, backend.protocol)
}

/// Index in `BINDINGS` and `PORTS` of the connection to `port` of `backend` that has this target.
#[inline(always)]
pub fn index_of<T: Tables>(tables: &T, backend: &Backend, port: Be16, target: Target) -> u32 {
    index(tables.settings(), lane(tables, backend, port, target.source()), target.port().into())
}

/// Takes a port for a new connection and writes its way back; `None` if all that were tried are in use.
// Two steps, neither inlined, so that the second has the stack of the first.
#[inline(always)]
pub fn bind<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    (id, backend): (BackendId, &Backend),
    hash: u64,
) -> Option<Target> {
    let chosen = match backend.source_count {
        // The client's address is kept: connections spread over all lanes.
        0 => (hash >> 40) as u8,
        1 => backend.source_first,
        // A fair share without a division: the high half of a 32-bit product.
        count => backend.source_first + ((u64::from((hash >> 40) as u16) * u64::from(count)) >> 16) as u8,
    };
    let port = backend.port_for(packet.destination.port);
    let lane = lane(tables, backend, port, chosen);
    let offset = tables.take_port(lane, packet.protocol, packet.tcp)?;
    let target = Target::bound(id, chosen, offset as u16);
    write(packet, tables, index(tables.settings(), lane, offset), target, backend.generation);
    Some(target)
}

/// Writes the way back from `target` into the binding at `index`, whose port was just claimed.
#[inline(never)]
fn write<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, index: u32, target: Target, generation: u32) {
    let Some(binding) = tables.binding(index) else { return };
    binding.write(&Bound {
        client: packet.source.address.widen(),
        client_port: packet.source.port,
        called: packet.destination.port,
        protocol: packet.protocol,
        backend: target.backend(),
        source: target.source(),
        generation,
        ifindex: packet.ingress,
        client_mac: packet.source_mac,
        local_mac: packet.destination_mac,
    });
}

/// Claims a port of a lane for a connection that begins so, and says which: the first that is free, or where none is
/// found soon, of those that strangers hold the one idle for longest. A proven client's is never taken.
#[inline(always)]
pub fn take<T: Tables>(tables: &T, lane: u32, protocol: u8, tcp: TcpFlags) -> Option<u32> {
    let (now, settings) = (tables.now(), tables.settings());
    let own = Stamp::first(now, tcp, protocol);
    let mut at = tables.walk(lane);
    // With where the walk goes on behind it.
    let mut least = (0, Stamp::default(), 0);
    for probe in 0..PROBES {
        let offset = at.checked_rem(settings.port_count.get())?;
        let place = index(settings, lane, offset);
        let port = tables.port(place)?;
        let stamp = port.stamp();
        let ended = (place % LINE + 1) / LINE;
        at = at.wrapping_add(1);
        if stamp.is_free(now) && port.claim(stamp, own) {
            tables.walk_on(lane, at);
            return Some(offset);
        }
        if stamp.is_strangers() && (!least.1.is_taken() || stamp.seen() < least.1.seen()) {
            least = (offset, stamp, at);
        }
        // At the end of a line on in another. (The verifier would walk a branch both ways, each time.)
        at = at.wrapping_add(ended * (STRIDE + probe * LINE));
        if probe >= PATIENCE && least.1.is_taken() {
            break;
        }
    }
    let (offset, stamp, behind) = least;
    // Behind the one that is given away, so that each has its turn, first taken first given. If there is none, one port on:
    // else the search would meet the same ones again, in a range of a power of two.
    tables.walk_on(lane, if stamp.is_taken() { behind } else { at.wrapping_add(1) });
    // Lost to another CPU, it is as if none had been found: a client asks again.
    if !stamp.is_taken() || !tables.port(index(settings, lane, offset))?.claim(stamp, own) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::{
        host::HostTables, net::protocol::TCP, settings::KEY_WORDS, state::binding::Side, time::Tick,
    };

    const SYN: TcpFlags = TcpFlags(0x02);
    const PORTS: u32 = 31_744;

    /// Two lanes of the default range.
    fn tables() -> HostTables {
        let tables = HostTables::new(Settings::new([7; KEY_WORDS], 1, 2, (1024, 32_767), 1));
        tables.now.set(Tick(1_000));
        tables
    }

    fn take_of(tables: &HostTables, lane: u32) -> u32 {
        take(tables, lane, TCP, SYN).expect("most are free")
    }

    #[test]
    fn each_lane_has_a_walk_of_its_own_port_by_port() {
        let tables = tables();
        let taken: Vec<_> = (0..20).map(|_| (take_of(&tables, 0), take_of(&tables, 1))).collect();
        assert_eq!(taken, (0..20).map(|offset| (offset, offset)).collect::<Vec<_>>());
    }

    #[test]
    fn a_walk_ends_where_the_range_ends() {
        let tables = tables();
        tables.walk_on(1, PORTS - 1);
        assert_eq!([take_of(&tables, 1), take_of(&tables, 1)], [PORTS - 1, 0]);
    }

    #[test]
    fn under_a_flood_each_stranger_keeps_its_port_for_a_whole_round() {
        let tables = tables();
        // Twice the range, all in the same tick: from the second round on, each takes a port from another.
        let taken: Vec<_> = (0..2 * PORTS).map(|_| take_of(&tables, 0)).collect();
        for round in taken.chunks(PORTS as usize) {
            assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), PORTS as usize);
        }
    }

    #[test]
    fn the_last_free_port_is_found_wherever_it_is() {
        const FEW: u32 = 1_024;
        for (begin, free) in (0..LINE).flat_map(|begin| (0..FEW).step_by(100).map(move |free| (begin, free)))
        {
            let tables = HostTables::new(Settings::new([7; KEY_WORDS], 1, 1, (1024, 2047), 1));
            tables.now.set(Tick(1_000));
            for (_, port) in (0..).zip(&tables.ports).filter(|(offset, _)| *offset != free) {
                assert!(port.claim(port.stamp(), Stamp::first(tables.now(), SYN, TCP)));
                for from in [Side::Backend, Side::Client] {
                    port.pass(tables.now(), TcpFlags(0x10), from, 7);
                }
            }
            tables.walk_on(0, begin);
            let found = (0..FEW / LINE).find_map(|_| take(&tables, 0, TCP, SYN));
            assert_eq!(found, Some(free), "from {begin}");
        }
    }

    #[test]
    fn a_line_in_use_is_left_behind() {
        let tables = tables();
        // As another CPU's run: this one comes upon it in the middle of a line.
        for port in &tables.ports[..1_000] {
            assert!(port.claim(port.stamp(), Stamp::first(tables.now(), SYN, TCP)));
        }
        tables.walk_on(0, 3);
        let first = take_of(&tables, 0);
        assert!(first >= 1_000 && first.is_multiple_of(LINE), "{first}");
        assert_eq!(take_of(&tables, 0), first + 1);
    }
}
