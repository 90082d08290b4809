//! The promise: where the next connection of a client goes that has a session, or had one.
//!
//! A session's home changes here and nowhere else in the packet path, so each promise that can't be kept is counted
//! once, under its cause.

use super::{Packed, Step, select, session, session::Proof};
use crate::{
    reason::Reason,
    state::{BackendId, Cause, Event, Expense, Ghost, Health, Pin, Policy, Service, Session, SessionKey},
    tables::Tables,
    time::Tick,
};

/// What a session says of a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It goes to this backend.
    Holds(BackendId),
    /// It goes by hash, and the session is not concerned: the server is not one of this service.
    Elsewhere,
    /// It goes by hash until the backend is back.
    Lent,
    /// It is refused until the backend is back.
    Refused,
    /// The session decides no more.
    Ended(Cause),
}

/// How a session stands.
#[inline(always)]
pub fn standing<T: Tables>(tables: &T, service: &Service, pin: &Pin, now: Tick) -> Standing {
    if pin.idled(now, service.idle_ticks) {
        return Standing::Ended(Cause::Idle);
    }
    if pin.outlived(now, service.lifetime_ticks) {
        return Standing::Ended(Cause::Lifetime);
    }
    let Some(id) = session::home(tables, service, pin) else { return Standing::Ended(Cause::Removed) };
    if id.is_none() {
        // A home that was removed keeps its generation until its id is another's.
        return match tables.health(pin.backend) {
            Health::Absent => Standing::Ended(Cause::Removed),
            _ => Standing::Elsewhere,
        };
    }
    let (policy, word) = (service.policy, tables.health_word(id));
    match Health::from_word(word) {
        Health::Draining if policy.has(Policy::MOVES_ON_DRAIN) => Standing::Ended(Cause::Drained),
        Health::Up | Health::Draining => Standing::Holds(id),
        Health::Disabled => Standing::Ended(Cause::Drained),
        Health::Absent => Standing::Ended(Cause::Removed),
        Health::Down if policy.has(Policy::LENDS) => Standing::Lent,
        Health::Down if policy.has(Policy::REFUSES) => Standing::Refused,
        Health::Down if policy.has(Policy::HOLDS) && now.since(Health::since(word)) <= service.hold_ticks => {
            Standing::Refused
        }
        Health::Down => Standing::Ended(Cause::Down),
    }
}

/// The backend of a packet without a flow, of the client behind `key`. Promises are about new connections: only a packet
/// that `opens` one keeps or breaks them. What comes in mid-connection goes to the session's home while that serves, and
/// leaves the session as it is.
///
/// # Errors
/// The reason why it gets none.
#[inline(always)]
pub fn choose<T: Tables>(tables: &T, service: &Service, key: &SessionKey, opens: bool) -> Step<BackendId> {
    let now = tables.now();
    let hash = session::hash(tables, key);
    if session::is_stranger(tables, hash) {
        return stranger(tables, service, key, hash, opens);
    }
    let Some((_, stored)) = session::find(tables, key) else {
        return stranger(tables, service, key, hash, opens);
    };
    let pin = stored.load();
    let by_hash = || select::by_hash(tables, service, hash).ok_or(Reason::NoBackend);
    match standing(tables, service, &pin, now) {
        Standing::Holds(id) => {
            if opens {
                stored.come_back(&pin);
                stored.count();
                tables.kept(service.number);
            }
            Ok(id)
        }
        Standing::Elsewhere => by_hash(),
        Standing::Lent => {
            let id = by_hash()?;
            if opens && stored.leave(&pin) {
                broken(tables, service, key, Cause::Lent, [pin.backend, id]);
            }
            Ok(id)
        }
        Standing::Refused => {
            if opens && stored.leave(&pin) {
                broken(tables, service, key, Cause::Refused, [pin.backend, BackendId::NONE]);
            }
            Err(Reason::HomeDown)
        }
        // Whoever knows the connection is most likely there.
        Standing::Ended(_) if !opens => match session::home(tables, service, &pin) {
            Some(id) if tables.health(id).serves() => Ok(id),
            _ => by_hash(),
        },
        Standing::Ended(cause) => {
            let id = select::by_load(tables, service, hash).ok_or(Reason::NoBackend)?;
            replace(tables, service, key, &stored, (&pin, cause), id)
        }
    }
}

/// Gives a session that decides no more a new home: at once, so that it happens, and is counted, once and not for
/// each of the connections that a client opens side by side.
#[inline(always)]
fn replace<T: Tables>(
    tables: &T,
    service: &Service,
    key: &SessionKey,
    stored: &Session,
    (old, cause): (&Pin, Cause),
    id: BackendId,
) -> Step<BackendId> {
    let fresh = session::begin(tables, service, id, tables.now()).ok_or(Reason::NoBackend)?;
    let is_over = matches!(cause, Cause::Idle | Cause::Lifetime);
    let won = if is_over { stored.renew(old, &fresh) } else { stored.rehome(old, &fresh) };
    if won {
        session::burden(tables, service, id);
        broken(tables, service, key, cause, [old.backend, id]);
        return Ok(id);
    }
    // Another connection of the client was first, and this one goes where that does.
    let theirs = session::home(tables, service, &stored.load()).filter(|id| tables.health(*id).serves());
    Ok(theirs.unwrap_or(id))
}

/// The backend of a client without a session.
#[inline(always)]
fn stranger<T: Tables>(
    tables: &T,
    service: &Service,
    key: &SessionKey,
    hash: u64,
    opens: bool,
) -> Step<BackendId> {
    match Packed(recall(tables, service, hash)).unpack() {
        Ok(0) => {}
        Ok(id) => {
            tables.count(Reason::SessionRecalled);
            if opens {
                tables.kept(service.number);
            }
            return Ok(BackendId(id as u32));
        }
        Err(_) => broken(tables, service, key, Cause::Evicted, [BackendId::NONE; 2]),
    }
    if service.policy.has(Policy::REFUSES_WHEN_FULL) && tables.is_full() {
        return Err(Reason::SessionsFull);
    }
    // What depends on the load must be remembered at once: the client's next connection would go by another load.
    // Without a budget for that, the hash decides, which needs no memory.
    if !service.policy.has_any(Policy::LEAST_SESSIONS.with(Policy::BOUNDED)) || !tables.spend(Expense::Pin) {
        return select::by_hash(tables, service, hash).ok_or(Reason::NoBackend);
    }
    let id = select::by_load(tables, service, hash).ok_or(Reason::NoBackend)?;
    if let Some(fresh) = session::begin(tables, service, id, tables.now()) {
        session::make(tables, service, key, id, &fresh, Proof::None);
    }
    Ok(id)
}

/// The backend of a client that lost its session for want of room; 0 if it is not recognised, an error if it is and
/// the backend is not there any more.
#[inline(always)]
fn recall<T: Tables>(tables: &T, service: &Service, hash: u64) -> u64 {
    let index = Ghost::index(hash, tables.settings().ghost_mask.get());
    let Some(place) = tables.ghost(index) else { return 0 };
    let (ghost, now) = (Ghost(place.load()), tables.now());
    if !ghost.is_of(hash) || ghost.idle(now) > service.idle_ticks {
        return 0;
    }
    let home = BackendId(ghost.home());
    let generation = tables.backend(home).map_or(0, |backend| backend.generation);
    let pin = Pin::new(home, generation, now);
    if ghost.has_generation(generation)
        && let Some(id) = session::home(tables, service, &pin)
        && tables.health(id).serves()
    {
        return u64::from(id.0);
    }
    if place.claim(ghost.0, 0) { Packed::from(Reason::SessionEvicted).0 } else { 0 }
}

/// Counts and reports a broken promise.
#[inline(always)]
fn broken<T: Tables>(
    tables: &T,
    service: &Service,
    key: &SessionKey,
    cause: Cause,
    backends: [BackendId; 2],
) {
    tables.count(cause.reason());
    tables.broken(&Event::new(*key, service.number, cause, backends, tables.now()));
}
