//! The promise: stored sessions, where they are found, made and kept.

use super::{access, service};
use crate::{
    net::{Address, Ip, protocol},
    packet::Packet,
    reason::Reason,
    state::{Backend, BackendId, Expense, PersistBy, Pin, Service, SessionKey},
    tables::{Store, Tables},
    time::Tick,
};

/// The key of a client's session; `None` where the service keeps none.
#[inline(always)]
pub fn key(service: &Service, client: Ip) -> Option<SessionKey> {
    match service.persist_by() {
        PersistBy::Connection => None,
        PersistBy::ClientIp => {
            Some(SessionKey { scope: service.scope, client: client.masked(service.client_mask) })
        }
    }
}

/// A stored session and the map it is in, proven ones first.
#[inline(always)]
pub fn find<'t, T: Tables>(
    tables: &'t T,
    key: &SessionKey,
) -> Option<(Store, T::Ref<'t, crate::state::Session>)> {
    if let Some(session) = tables.session(Store::Pins, key) {
        return Some((Store::Pins, session));
    }
    tables.session(Store::Affinity, key).map(|session| (Store::Affinity, session))
}

/// May a session decide for a new connection to the service of this tag? Its backend must serve, be the one
/// that the session was made with, and belong to that very service: an LRU entry may be given to
/// another client at the moment it is read or written.
#[inline(always)]
pub fn valid<T: Tables>(tables: &T, pin: &Pin, tag: u16) -> bool {
    tables.health(pin.backend).serves()
        && tables
            .backend(pin.backend)
            .is_some_and(|backend| backend.generation == pin.generation && backend.service_tag == tag)
}

/// What a client has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Nothing yet.
    None,
    /// It behaves as one that receives what the backend sends. That can be forged.
    Likely,
    /// It has received what the backend sent.
    Certain,
}

impl Proof {
    /// What a connection that counts as proven shows.
    #[inline(always)]
    pub fn of(backend: &Backend) -> Self {
        // Replies that don't pass here can't be compared with what the client acknowledges, and a datagram
        // acknowledges nothing.
        if backend.is_direct() || backend.protocol == protocol::UDP { Self::Likely } else { Self::Certain }
    }
}

/// Traffic of a connection to `id` slides its client's session, or makes one; a client with a `proof`
/// moves to the proven ones. False if the service's list does not let the client in (any more). A
/// connection to a port that its service no longer has keeps no session.
#[inline(never)]
pub fn keep<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    id: BackendId,
    backend: &Backend,
    proof: Proof,
    now: Tick,
) -> bool {
    let mut called = service::called(packet);
    let Some(service) = service::find(tables, &mut called) else { return true };
    let client = packet.source.address.widen();
    if !access::admits(tables, &service, client) {
        return false;
    }
    if backend.serves(&service, &called)
        && let Some(key) = key(&service, client)
    {
        store(tables, &service, &key, Pin::new(id, backend.generation, now), proof);
    }
    true
}

/// True if a session can't decide any more, by the lights of a connection to `beside`.
#[inline(always)]
fn lost<T: Tables>(tables: &T, pin: &Pin, beside: BackendId) -> bool {
    tables.backend(beside).is_some_and(|backend| !valid(tables, pin, backend.service_tag))
}

/// Makes, slides or promotes a session. See [`keep`].
#[inline(always)]
pub fn store<T: Tables>(tables: &T, service: &Service, key: &SessionKey, fresh: Pin, proof: Proof) {
    let mut pin = fresh;
    if let Some((store, session)) = find(tables, key) {
        let old = session.load();
        if old.outlived(fresh.seen, service.lifetime_ticks) {
            // It ends with the client's next connection, not in the middle of this one.
            session.touch(old, fresh.seen);
            return;
        }
        if old.idled(fresh.seen, service.idle_ticks) {
            session.store(fresh);
        } else {
            pin.created = old.created;
            if old.same_home(&fresh) {
                session.touch(old, fresh.seen);
            } else if lost(tables, &old, fresh.backend) {
                session.store(pin);
                tables.count(Reason::SessionMovedDown);
            } else {
                // A live session of another home: this connection is older than the session's move.
                return;
            }
        }
        if store == Store::Affinity && promote(tables, key, pin, proof) {
            tables.remove_session(Store::Affinity, key);
        }
        return;
    }
    tables.count(Reason::SessionNew);
    if !promote(tables, key, pin, proof) {
        // An LRU map has room for everybody.
        tables.insert_session(Store::Affinity, key, pin);
    }
}

/// Stores a session among the proven ones, if the proof is good for it; true if so.
#[inline(always)]
fn promote<T: Tables>(tables: &T, key: &SessionKey, pin: Pin, proof: Proof) -> bool {
    if proof == Proof::None {
        return false;
    }
    if proof == Proof::Likely && !tables.spend(Expense::Pin) {
        tables.count(Reason::PinDeferred);
        return false;
    }
    let stored = tables.insert_session(Store::Pins, key, pin);
    tables.count(if stored { Reason::SessionProven } else { Reason::PinsFull });
    stored
}
