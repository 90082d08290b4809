//! The established path: a packet of a connection that the flow table knows.

use super::{Route, Step, nat, session, session::Proof, table};
use crate::{
    net::{Address, protocol},
    packet::{End, Packet},
    reason::Reason,
    state::{Backend, Bucket, Forwarding, Phase, Target, binding::Side, flow::Entry},
    tables::{Cache, Tables},
};

/// A UDP flow without packets for this many ticks (3 min) is over: what comes then begins another.
const UDP_IDLE: u32 = 170;

/// Where an entry stands, what it says, and its backend.
type Known<'t, T> = (<T as Tables>::Ref<'t, Bucket>, usize, Entry, <T as Tables>::Ref<'t, Backend>);

/// What is known of the tuple with this hash; `None` if there is no entry that is still good.
#[inline(always)]
fn look_up<T: Tables>(tables: &T, cache: Cache, hash: u64) -> Option<Known<'_, T>> {
    let (bucket, at) = table::find(tables, cache, hash)?;
    let way = bucket.ways.get(at)?;
    let entry = way.entry();
    let backend = tables.backend(entry.target().backend())?;
    if !way.holds(hash, entry, backend.generation) {
        return None;
    }
    Some((bucket, at, entry, backend))
}

/// What is known of the tuple with this hash, and its backend, whatever state that is in. Nothing is
/// renewed: for questions that no packet of the tuple itself asks.
#[inline(always)]
pub fn known<T: Tables>(tables: &T, cache: Cache, hash: u64) -> Option<(Entry, T::Ref<'_, Backend>)> {
    look_up(tables, cache, hash).map(|(_, _, entry, backend)| (entry, backend))
}

/// The target of the flow of a tuple with this hash, and its backend; `None` if there is none that is
/// still good.
#[inline(always)]
pub fn follow<'t, A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &'t T,
    hash: u64,
) -> Option<(Target, T::Ref<'t, Backend>)> {
    let (bucket, at, entry, backend) = look_up(tables, Cache::Flows, hash)?;
    let way = bucket.ways.get(at)?;
    let target = entry.target();
    let id = target.backend();
    if target.is_reply() {
        return Some((target, backend));
    }
    if !tables.health(id).serves() {
        tables.count(Reason::FlowBackendDown);
        return None;
    }
    let now = tables.now();
    // Once a tick, while a connection is young or old, and where it comes another way, there is more to do than
    // to forward.
    if !entry.came_by(packet.ingress)
        || entry.idle(now) != 0
        || entry.phase() != Phase::Proven
        || packet.tcp.opens()
        || packet.tcp.closes()
    {
        let phase = tables.keep(packet, entry)?;
        let fresh = Entry::new(target, phase, now).by(packet.ingress);
        if (entry.idle(now) != 0 || phase != entry.phase()) && !tables.renew(packet, entry, fresh) {
            return None;
        }
        way.refresh(entry, fresh);
    }
    Some((target, backend))
}

/// Renews a connection's port, and says which phase it is in now; `None` if the connection no longer owns its port,
/// or a SYN begins another in its place.
#[inline(always)]
pub fn keep<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, entry: Entry) -> Option<Phase> {
    let now = tables.now();
    let backend = &*tables.backend(entry.target().backend())?;
    if packet.protocol == protocol::UDP && entry.idle(now) > UDP_IDLE {
        return None;
    }
    let target = entry.target();
    let (is_proven, is_over) = if backend.is_direct() {
        if packet.tcp.opens() && entry.phase() == Phase::Closing {
            return None;
        }
        // Replies don't pass here. Traffic in a later tick than the first is the best sign there is.
        (entry.idle(now) != 0 && !packet.tcp.opens(), packet.tcp.closes() || entry.phase() == Phase::Closing)
    } else {
        let port = backend.port_for(packet.destination.port);
        let index = nat::index_of(tables, backend, port, target);
        let (port, binding) = (tables.port(index)?, tables.binding(index)?);
        let bound = binding.read()?;
        if !bound.is_of(target.backend(), packet.source.address.widen(), packet.source.port)
            || bound.called != packet.destination.port
        {
            return None;
        }
        // On the port of a connection that is over, another would look ended from the start, and lose
        // its port after a few idle seconds.
        let stamp = port.stamp();
        let is_left = stamp.is_left() || entry.phase() == Phase::Closing;
        if packet.tcp.opens() && is_left && !stamp.is_asked_again() {
            return None;
        }
        if bound.ifindex != packet.ingress || bound.client_mac != packet.source_mac {
            nat::turn(packet, &binding);
        }
        let stamp = port.pass(now, packet.tcp, Side::Client, u32::from_be(packet.acknowledged));
        (stamp.is_proven(), stamp.is_over())
    };
    let phase = match entry.phase() {
        _ if is_over => Phase::Closing,
        // A SYN again is a retransmission, not a sign of life.
        Phase::Closing | Phase::New if packet.tcp.opens() => Phase::New,
        Phase::Proven => Phase::Proven,
        _ if is_proven => Phase::Proven,
        _ => Phase::Seen,
    };
    Some(phase)
}

/// Once a tick, and when a connection's phase changes: renews its way back, where that is an entry of its own, and
/// its client's session. `old` is the entry as it was, `new` as it will be. False if the service's access list does not
/// let the client in any more.
#[inline(always)]
pub fn renew<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, old: Entry, new: Entry) -> bool {
    let (now, target) = (tables.now(), new.target());
    let Some(backend) = tables.backend(target.backend()) else { return false };
    if backend.forwarding() == Forwarding::NatPreserve {
        nat::insert_reply(packet, tables, &backend, Entry::new(target.reply(), new.phase(), now));
    }
    let is_due = old.idle(now) != 0 || new.phase() > old.phase().max(Phase::New);
    let proof = match new.phase() {
        Phase::Proven => Proof::of(&backend),
        Phase::Closing => Proof::Over,
        Phase::New | Phase::Seen => Proof::None,
    };
    !is_due || session::keep(packet, tables, target.backend(), &backend, proof)
}

/// The route to a flow's backend, counted in its figures.
#[inline(always)]
pub fn to_backend<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    target: Target,
    backend: &Backend,
) -> Step<Route<A>> {
    if backend.target_mac.is_zero() {
        return Err(Reason::NoNextHop);
    }
    let mut source = packet.source;
    if backend.forwarding() == Forwarding::Nat {
        source.address = A::narrow(tables.source(target.source()).ok_or(Reason::NoSourcePort)?);
        source.port = nat::port(tables.settings(), target.port());
    }
    let rewrites_ends = !backend.is_direct();
    let mut destination = packet.destination;
    if rewrites_ends {
        destination =
            End { address: A::narrow(backend.address), port: backend.port_for(packet.destination.port) };
    }
    count(tables, packet, target);
    Ok(Route {
        ifindex: backend.ifindex,
        source_mac: backend.source_mac,
        target_mac: backend.target_mac,
        source,
        destination,
        rewrites_ends,
    })
}

/// Counts a packet in its backend's figures.
#[inline(always)]
pub fn count<A: Address, T: Tables>(tables: &T, packet: &Packet<A>, target: Target) {
    tables.traffic(target.backend(), |figures| {
        figures.packets += 1;
        figures.bytes += u64::from(packet.bytes);
    });
}
