//! The promise: stored sessions, where they are found, made and kept.

use crate::{
    net::{Address, Ip},
    packet::Packet,
    reason::Reason,
    state::{Backend, BackendId, PersistBy, Pin, Service, ServiceKey, SessionKey},
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

/// May a session still decide for a new connection?
#[inline(always)]
pub fn valid<T: Tables>(tables: &T, pin: &Pin) -> bool {
    tables.health(pin.backend).serves()
        && tables.backend(pin.backend).is_some_and(|backend| backend.generation == pin.generation)
}

/// Traffic of a connection to `id` slides its client's session, or makes one; a client that is
/// `proven` moves to the proven ones.
#[inline(always)]
pub fn keep<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    id: BackendId,
    backend: &Backend,
    proven: bool,
    now: Tick,
) {
    let service = ServiceKey::new(backend.service_address, backend.service_port, backend.protocol);
    if let Some(service) = tables.service(&service)
        && let Some(key) = key(&service, packet.source.address.widen())
    {
        store(tables, &service, &key, Pin::new(id, backend.generation, now), proven);
    }
}

/// Makes, slides or promotes a session. See [`keep`].
#[inline(never)]
pub fn store<T: Tables>(tables: &T, service: &Service, key: &SessionKey, fresh: Pin, proven: bool) {
    let mut pin = fresh;
    if let Some((store, session)) = find(tables, key) {
        let old = session.load();
        let expired = old.expired(fresh.seen, service.idle_ticks, service.lifetime_ticks);
        if old.same_home(&fresh) && !expired {
            session.touch(old, fresh.seen);
            pin.created = old.created;
        } else if expired || !valid(tables, &old) {
            session.store(fresh);
        } else {
            // A live session of another home: this connection is older than the session's move.
            return;
        }
        if store == Store::Pins || !proven {
            return;
        }
        if tables.insert_session(Store::Pins, key, pin) {
            tables.remove_session(Store::Affinity, key);
            tables.count(Reason::SessionProven);
        } else {
            tables.count(Reason::PinsFull);
        }
        return;
    }
    tables.count(Reason::SessionNew);
    if proven {
        if tables.insert_session(Store::Pins, key, pin) {
            tables.count(Reason::SessionProven);
            return;
        }
        tables.count(Reason::PinsFull);
    }
    // An LRU map has room for everybody.
    tables.insert_session(Store::Affinity, key, pin);
}
