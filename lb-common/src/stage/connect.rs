//! A packet without a flow: find its service, its session or slot, and remember the connection.

use super::{Step, access, nat, promise, promise::Standing, select, service, session, session::Proof, table};
use crate::{
    net::{Address, Ip, protocol},
    packet::Packet,
    quic,
    reason::Reason,
    state::{Backend, BackendId, Expense, Forwarding, Phase, Policy, Service, Target, flow::Entry},
    tables::{Store, Tables},
};

/// Decides which backend a new connection goes to. `named` is what [`crate::quic::server`] says of the packet, `hash`
/// its tuple's.
///
/// # Errors
/// The reason why it goes nowhere.
#[inline(always)]
pub fn decide<'t, A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &'t T,
    named: BackendId,
    hash: u64,
) -> Step<(BackendId, T::Ref<'t, Backend>)> {
    let mut called = service::called(packet);
    let service = service::find(tables, &mut called).ok_or(Reason::NotOurs)?;
    if !access::admits(tables, &service, packet.source.address.widen()) {
        return Err(Reason::Denied);
    }
    if service.policy.has(Policy::LOCAL) {
        return Err(to_host(packet, tables));
    }
    let opens = packet.protocol != protocol::TCP || packet.tcp.opens();
    if !opens {
        tables.count(Reason::TcpMidstream);
    }
    let named = if named == quic::UNASKED { None } else { by_name(tables, named) };
    let id = match named {
        Some(id) => id,
        // First the promise, then the function.
        None => match session::key(tables, &service, packet.source.address.widen()) {
            Some(key) => BackendId(tables.promise(&service, &key, opens).unpack()? as u32),
            None => select::by_hash(tables, &service, hash).ok_or(Reason::NoBackend)?,
        },
    };
    let backend = tables.backend(id).ok_or(Reason::NoBackend)?;
    // The entries of a hash map may be given to another key while they are read (see `session::home`): slots
    // of another service must not decide.
    if !backend.serves(&service, &called) {
        return Err(Reason::NoBackend);
    }
    if backend.target_mac.is_zero() {
        return Err(Reason::NoNextHop);
    }
    Ok((id, backend))
}

/// The fate of a packet for a service that the host itself serves. Nothing is remembered of it: the host's stack knows
/// its connections.
// Not inlined: the session's key would lie below the locals of whatever follows.
#[inline(never)]
fn to_host<A: Address, T: Tables>(packet: &Packet<A>, tables: &T) -> Reason {
    // A new connection costs the host more than it costs to pass it on.
    if packet.tcp.opens() && is_one_too_many(packet, tables) { Reason::Flood } else { Reason::ToHost }
}

/// Takes a source port for a new connection to `id`, where it needs one.
///
/// # Errors
/// The reason why it goes nowhere.
#[inline(always)]
pub fn bind<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    hash: u64,
    (id, backend): (BackendId, &Backend),
) -> Step<Target> {
    if backend.is_direct() {
        return Ok(Target::direct(id, hash));
    }
    // Without a port of its own it can't be served. A proven client's connection always gets one: who
    // knows whose address to forge for that takes other strangers' ports, and nothing else.
    if is_one_too_many(packet, tables) {
        return Err(Reason::Flood);
    }
    nat::bind(packet, tables, (id, backend), hash).ok_or(Reason::NoSourcePort)
}

/// Spends a new connection of this CPU's budget; true if none is left, and its client is a stranger.
#[inline(always)]
fn is_one_too_many<A: Address, T: Tables>(packet: &Packet<A>, tables: &T) -> bool {
    !tables.spend(Expense::Flow) && !is_pinned(packet, tables)
}

/// Is there a proven session of the packet's client?
#[inline(never)]
fn is_pinned<A: Address, T: Tables>(packet: &Packet<A>, tables: &T) -> bool {
    service::find(tables, &mut service::called(packet))
        .and_then(|service| session::key(tables, &service, packet.source.address.widen()))
        .is_some_and(|key| tables.session(Store::Pins, &key).is_some())
}

/// The backend that a packet of `client` belongs to by session or hash, without choosing or storing
/// anything; `hash` is its tuple's, for services without sessions.
#[inline(always)]
pub fn expected<T: Tables>(tables: &T, service: &Service, client: Ip, hash: u64) -> Option<BackendId> {
    let Some(key) = session::key(tables, service, client) else {
        return select::by_hash(tables, service, hash);
    };
    if let Some((_, stored)) = session::find(tables, &key)
        && let Standing::Holds(id) = promise::standing(tables, service, &stored.load(), tables.now())
    {
        return Some(id);
    }
    select::by_hash(tables, service, session::hash(tables, &key))
}

/// Remembers a new connection.
#[inline(always)]
pub fn remember<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    target: Target,
    backend: &Backend,
    hash: u64,
) {
    // What was given a port has paid for it, and is lost without an entry.
    if backend.is_direct() && !tables.spend(Expense::Flow) {
        tables.count(Reason::FlowUnstored);
        return;
    }
    let now = tables.now();
    // A late FIN or RST is forwarded as the end of something, not kept as the beginning.
    let phase = if packet.tcp.closes() { Phase::Closing } else { Phase::New };
    if backend.forwarding() == Forwarding::NatPreserve {
        nat::insert_reply(packet, tables, backend, Entry::new(target.reply(), phase, now));
    }
    table::enter(tables, hash, Entry::new(target, phase, now).by(packet.ingress), backend.generation);
    tables.count(Reason::FlowNew);
    tables.traffic(target.backend(), |figures| figures.connections += 1);
    // A TCP client has its session stored when it comes back with an ACK: until then the hash gives
    // the same answer, and a flood of SYNs costs no session. A datagram client may never come back
    // from the same port.
    if packet.protocol == protocol::UDP {
        session::keep(packet, tables, target.backend(), backend, Proof::None);
    }
}

/// The backend that the connection id names, if it serves; what comes of it is counted.
#[inline(always)]
fn by_name<T: Tables>(tables: &T, named: BackendId) -> Option<BackendId> {
    let (id, reason) = match tables.health(named) {
        _ if named.is_none() => (None, Reason::QuicUnroutable),
        health if health.serves() => (Some(named), Reason::QuicRouted),
        _ => (None, Reason::QuicBackendDown),
    };
    tables.count(reason);
    id
}
