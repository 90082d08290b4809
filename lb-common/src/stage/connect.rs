//! A packet without a flow: find its service, its session or slot, and remember the connection.

use super::{Step, nat, select, session, table};
use crate::{
    hash,
    net::{Address, protocol},
    packet::Packet,
    reason::Reason,
    state::{BackendId, Forwarding, Phase, Pin, Service, ServiceKey, SessionKey, Target, flow::Entry},
    tables::Tables,
};

/// Decides where a new connection goes, and remembers it.
///
/// # Errors
/// The reason why it goes nowhere.
#[inline(always)]
pub fn connect<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, hash: u64) -> Step<Target> {
    let target = decide(packet, tables, hash)?;
    remember(packet, tables, target, hash);
    Ok(target)
}

/// Decides where a new connection goes, and takes a source port for it where it needs one.
#[inline(never)]
fn decide<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, hash: u64) -> Step<Target> {
    let destination = packet.destination;
    let called = ServiceKey::new(destination.address.widen(), destination.port, packet.protocol);
    let service = tables.service(&called).ok_or(Reason::NotOurs)?;
    if packet.protocol == protocol::TCP && !packet.tcp.opens() {
        tables.count(Reason::TcpMidstream);
    }
    let id = match session::key(&service, packet.source.address.widen()) {
        Some(key) => choose(tables, &service, &called, &key),
        None => select::by_hash(tables, &service, hash),
    }
    .ok_or(Reason::NoBackend)?;
    let backend = tables.backend(id).ok_or(Reason::NoBackend)?;
    // The entries of a hash map may be given to another key while they are read (see `session::valid`): slots
    // of another service must not decide.
    if backend.service() != called {
        return Err(Reason::NoBackend);
    }
    if backend.target_mac.is_zero() {
        return Err(Reason::NoNextHop);
    }
    if backend.is_direct() {
        return Ok(Target::direct(id, hash));
    }
    nat::bind(packet, tables, id, hash).ok_or(Reason::NoSourcePort)
}

/// Remembers a new connection.
#[inline(never)]
fn remember<A: Address, T: Tables>(packet: &Packet<A>, tables: &T, target: Target, hash: u64) {
    let Some(backend) = tables.backend(target.backend()) else { return };
    let now = tables.now();
    // A late FIN or RST is forwarded as the end of something, not kept as the beginning.
    let phase = if packet.tcp.closes() { Phase::Closing } else { Phase::New };
    if backend.forwarding() == Forwarding::NatPreserve {
        nat::insert_reply(packet, tables, &backend, Entry::new(target.reply(), phase, now), now);
    }
    table::enter(tables, hash, Entry::new(target, phase, now), backend.generation, now);
    tables.count(Reason::FlowNew);
    tables.traffic(target.backend(), |figures| figures.connections += 1);
    // A TCP client has its session stored when it comes back with an ACK: until then the hash gives
    // the same answer, and a flood of SYNs costs no session. A datagram client may never come back
    // from the same port.
    if packet.protocol == protocol::UDP {
        session::keep(packet, tables, target.backend(), &backend, false, now);
    }
}

/// First the promise, then the function.
#[inline(never)]
fn choose<T: Tables>(
    tables: &T,
    service: &Service,
    called: &ServiceKey,
    key: &SessionKey,
) -> Option<BackendId> {
    let now = tables.now();
    let by_hash = || select::by_hash(tables, service, hash::client(tables.settings(), key.scope, key.client));
    let Some((_, stored)) = session::find(tables, key) else {
        return by_hash();
    };
    let mut pin = stored.load();
    let expired = pin.expired(now, service.idle_ticks, service.lifetime_ticks);
    if !expired && session::valid(tables, &pin, called) {
        return Some(pin.backend);
    }
    // Chosen anew and stored at once, so that it happens, and is counted, once and not for each of
    // the connections that a client opens side by side.
    let id = by_hash()?;
    let fresh = Pin::new(id, tables.backend(id)?.generation, now);
    if expired {
        tables.count(Reason::SessionExpired);
        pin = fresh;
    } else {
        tables.count(Reason::SessionMovedDown);
        (pin.backend, pin.generation) = (id, fresh.generation);
    }
    stored.store(pin);
    Some(id)
}
