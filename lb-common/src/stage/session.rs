//! Stored sessions: where they are found, made and kept. What they promise is [`super::promise`].

use super::{access, service};
use crate::{
    hash,
    net::{Address, Ip, protocol},
    packet::Packet,
    reason::Reason,
    state::{Backend, BackendId, Expense, Ghost, MemberKey, Pin, Policy, Service, SessionKey, stranger},
    tables::{Store, Tables},
    time::Tick,
};

/// The key of a client's session; `None` where the service keeps none.
#[inline(always)]
pub fn key<T: Tables>(tables: &T, service: &Service, client: Ip) -> Option<SessionKey> {
    if !service.policy.has(Policy::BY_CLIENT) {
        return None;
    }
    let mask = match service.masks {
        0 => service.client_mask,
        list => match own_mask(tables, list, client) {
            0 => service.client_mask,
            bits => Ip::mask(bits),
        },
    };
    Some(SessionKey { scope: service.scope, client: client.masked(mask) })
}

/// Bits that identify `client` by a list of masks; 0 if none of them is for it.
// Not inlined: the key would lie below the locals of whatever follows.
#[inline(never)]
fn own_mask<T: Tables>(tables: &T, list: u32, client: Ip) -> u32 {
    tables.mask(list, client).unwrap_or(0)
}

/// The hash that picks the slot of a client without a session.
#[inline(always)]
pub fn hash<T: Tables>(tables: &T, key: &SessionKey) -> u64 {
    hash::client(tables.settings(), key.scope, key.client)
}

/// Is it certain that the client with this hash has no session?
#[inline(always)]
pub fn is_stranger<T: Tables>(tables: &T, hash: u64) -> bool {
    stranger::is_certain(|index| tables.strangers(index), hash, tables.settings().ghost_mask.get())
}

/// Stores a session; false if the map refuses.
#[inline(always)]
pub fn put<T: Tables>(tables: &T, store: Store, key: &SessionKey, pin: &Pin) -> bool {
    let is_stored = tables.insert_session(store, key, pin);
    if is_stored {
        let mask = tables.settings().ghost_mask.get();
        stranger::meet(|index| tables.strangers(index), hash(tables, key), mask);
    }
    is_stored
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

/// The backend of `service` that a session belongs to; nobody ([`BackendId::NONE`]) where the group's server is not
/// one of this service, `None` if it is not there any more.
///
/// It must belong to that very service, and be the one that the session was made with: an LRU entry may be
/// given to another client at the moment it is read or written.
#[inline(always)]
pub fn home<T: Tables>(tables: &T, service: &Service, pin: &Pin) -> Option<BackendId> {
    let home = tables.backend(pin.backend)?;
    if home.generation != pin.generation {
        return None;
    }
    if service.policy.has(Policy::GROUPED) {
        let key = MemberKey::of_home(pin.backend, service.number);
        return Some(tables.member(&key).unwrap_or(BackendId::NONE));
    }
    (home.service_tag == service.tag).then_some(pin.backend)
}

/// A session of a client that now goes to `id`.
#[inline(always)]
pub fn begin<T: Tables>(tables: &T, service: &Service, id: BackendId, now: Tick) -> Option<Pin> {
    let home =
        if service.policy.has(Policy::GROUPED) { tables.member(&MemberKey::of_backend(id))? } else { id };
    Some(Pin::new(home, tables.backend(home)?.generation, now))
}

/// What a client has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Its connection ends, or is over (TIME_WAIT): that extends nothing.
    Over,
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
) -> bool {
    let mut called = service::called(packet);
    let Some(service) = service::find(tables, &mut called) else { return true };
    let client = packet.source.address.widen();
    if !access::admits(tables, &service, client) {
        return false;
    }
    if proof != Proof::Over
        && backend.serves(&service, &called)
        && let Some(key) = key(tables, &service, client)
    {
        store(tables, &service, &key, id, proof);
    }
    true
}

/// Makes, slides or promotes a session. See [`keep`].
// A session goes to another home with a new connection only, see `promise`: in mid-connection it stays.
#[inline(always)]
pub fn store<T: Tables>(tables: &T, service: &Service, key: &SessionKey, id: BackendId, proof: Proof) {
    let now = tables.now();
    let Some(fresh) = begin(tables, service, id, now) else { return };
    let Some((store, session)) = find(tables, key) else {
        make(tables, service, key, id, &fresh, proof);
        return;
    };
    let old = session.load();
    if old.outlived(now, service.lifetime_ticks) {
        // It ends with the client's next connection, not in the middle of this one.
        session.touch(&old, now);
        return;
    }
    let mut pin = Pin { seen: now, ..old };
    if old.idled(now, service.idle_ticks) {
        session.renew(&old, &fresh);
        pin = fresh;
    } else {
        session.touch(&old, now);
    }
    if store == Store::Affinity && promote(tables, service, key, &pin, proof) {
        tables.remove_session(Store::Affinity, key);
    }
}

/// Stores a new session, of a client that goes to `id`.
#[inline(always)]
pub fn make<T: Tables>(
    tables: &T,
    service: &Service,
    key: &SessionKey,
    id: BackendId,
    fresh: &Pin,
    proof: Proof,
) {
    tables.count(Reason::SessionNew);
    burden(tables, service, id);
    if !promote(tables, service, key, fresh, proof) {
        // An LRU map has room for everybody.
        put(tables, Store::Affinity, key, fresh);
    }
}

/// Counts a session more for a backend, where that matters. Of a group's server, the backends in the other services
/// have it with the daemon's next count.
#[inline(always)]
pub fn burden<T: Tables>(tables: &T, service: &Service, id: BackendId) {
    if service.policy.has_any(Policy::LEAST_SESSIONS.with(Policy::BOUNDED))
        && let Some(load) = tables.load(id)
    {
        load.add();
    }
}

/// Stores a session among the proven ones, if the proof is good for it; true if so.
#[inline(always)]
fn promote<T: Tables>(tables: &T, service: &Service, key: &SessionKey, pin: &Pin, proof: Proof) -> bool {
    if proof == Proof::None {
        return false;
    }
    if proof == Proof::Likely && !tables.spend(Expense::Pin) {
        tables.count(Reason::PinDeferred);
    } else if put(tables, Store::Pins, key, pin) {
        tables.count(Reason::SessionProven);
        return true;
    } else {
        tables.count(Reason::PinsFull);
        tables.note_full();
    }
    haunt(tables, service, key, pin);
    false
}

/// Leaves what a client is recognised by, should its session be lost.
#[inline(always)]
fn haunt<T: Tables>(tables: &T, service: &Service, key: &SessionKey, pin: &Pin) {
    let hash = hash(tables, key);
    let Some(place) = tables.ghost(Ghost::index(hash, tables.settings().ghost_mask.get())) else { return };
    let old = Ghost(place.load());
    if old.0 != 0 && !old.is_of(hash) && old.idle(pin.seen) <= service.idle_ticks {
        tables.count(Reason::GhostDisplaced);
    }
    place.store(Ghost::new(hash, pin).0);
}
