//! The choice: the first thing that a request has of what identifies clients decides, and what is decided there is the
//! packet program's own promise.

use std::{net::IpAddr, sync::Arc};

use http::request::Parts;
use lb_common::{
    reason::Reason,
    stage::{
        promise::{self, Standing},
        select,
        session::{self, Proof},
    },
    state::{BackendId, Cause, Event, Health, Pin, SessionKey},
    tables::{Store, Tables as _},
};

use super::{
    Repinned, Upstream,
    carried::{self, Carried},
    desk::Place,
    identity::{self, Identity, identify},
};
use crate::{
    http::cookie::token::Claims,
    model::{OnDown, http::Method},
};

/// Slots that are looked at for a backend in place of another.
const TRIES: u64 = 64;

/// A backend, and what its client is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Choice {
    pub(in crate::http) id: BackendId,
    /// What its cookie is to say from now on.
    pub(in crate::http) grant: Option<Claims>,
}

/// What a request is chosen by.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Question<'a> {
    pub(in crate::http) request: &'a Parts,
    /// Its client's address, as far as that can be believed.
    pub(in crate::http) client: IpAddr,
    /// Of the connection that it came by: decides for clients that nothing is known of.
    pub(in crate::http) connection: u64,
    /// Seconds since 1970.
    pub(in crate::http) now: u64,
}

/// Decides which backend a request goes to.
///
/// # Errors
/// The reason why it goes nowhere.
pub(in crate::http) fn choose(
    place: Place<'_>,
    repinned: &Repinned,
    question: &Question<'_>,
) -> Result<Choice, Reason> {
    let (identity, cookie) = identify(place, question);
    if let Some(state) = cookie {
        place.served.figures.cookie(state);
    }
    let id = match identity {
        Identity::Cookie(token, session) => return by_cookie(place, repinned, question, (token, session)),
        Identity::Key(method, key) => by_key(place, method, &key)?,
        Identity::Stranger => stranger(place, question)?,
    };
    let grant = carried::begin(place.served, id, question.now);
    if grant.is_some() {
        lead(place, question.client, id);
    }
    Ok(Choice { id, grant })
}

/// The backend of a client whose cookie carries a session.
fn by_cookie(
    place: Place<'_>,
    repinned: &Repinned,
    question: &Question<'_>,
    (token, session): (&str, Carried),
) -> Result<Choice, Reason> {
    let Carried { claims, is_stale, standing } = session;
    let (served, now) = (place.served, question.now);
    let hash = identity::hash(place.settings(), token.as_bytes());
    // Services of a group have the same cookies, and backends of their own.
    let cookie = hash ^ u64::from(served.entry.number);
    match standing {
        Standing::Holds(id) => {
            place.kept(served.entry.number);
            let grant = is_stale.then_some(Claims { used: now, ..claims });
            if is_stale {
                lead(place, question.client, id);
            }
            Ok(Choice { id, grant })
        }
        Standing::Elsewhere => {
            let id = select::by_hash(&place, &served.entry, hash).ok_or(Reason::NoBackend)?;
            Ok(Choice { id, grant: None })
        }
        Standing::Lent => {
            let id = select::by_hash(&place, &served.entry, hash).ok_or(Reason::NoBackend)?;
            if repinned.is_first(cookie) {
                broken(place, question.client, Cause::Lent, [carried::home(served, &claims), id]);
            }
            Ok(Choice { id, grant: None })
        }
        Standing::Refused => {
            if repinned.is_first(cookie) {
                let backends = [carried::home(served, &claims), BackendId::NONE];
                broken(place, question.client, Cause::Refused, backends);
            }
            Err(Reason::HomeDown)
        }
        Standing::Ended(cause) => {
            let serves = |id| place.health(id) == Health::Up;
            let choose = || select::by_load(&place, &served.entry, hash);
            let (id, is_first) = repinned.follow(cookie, serves, choose).ok_or(Reason::NoBackend)?;
            if is_first {
                broken(place, question.client, cause, [carried::home(served, &claims), id]);
                lead(place, question.client, id);
            }
            Ok(Choice { id, grant: carried::begin(served, id, now) })
        }
    }
}

/// The backend of a client with this key: by its session, which lives on, or begins.
fn by_key(place: Place<'_>, method: &Method, key: &SessionKey) -> Result<BackendId, Reason> {
    let service = &place.served.entry;
    let is_known = !matches!(method, Method::ClientIp) && session::find(&place, key).is_some();
    let id = promise::choose(&place, service, key, true)?;
    let proof = match method {
        // What no backend has set is nobody's session.
        Method::Learn { .. } if !is_known => return Ok(id),
        // It has made a connection, so it is where it says it is.
        Method::ClientIp => Proof::Certain,
        // Anybody can make up values: one that does not come again must not take a place for good.
        _ if is_known => Proof::Certain,
        _ => Proof::None,
    };
    session::store(&place, service, key, id, proof);
    Ok(id)
}

/// The backend of a client that nothing is known of; in a group, its address may have been elsewhere.
fn stranger(place: Place<'_>, question: &Question<'_>) -> Result<BackendId, Reason> {
    let (served, service) = (place.served, &place.served.entry);
    if served.persistence.group.is_some()
        && let Some(key) = identity::address(served, question.client)
        && let Some((_, stored)) = session::find(&place, &key)
        && let Standing::Holds(id) = promise::standing(&place, service, &stored.load(), place.now())
    {
        return Ok(id);
    }
    select::by_load(&place, service, question.connection).ok_or(Reason::NoBackend)
}

/// In a group, has connections from the client's address to the group's other services go where its cookie leads: for as
/// long as a session lasts there, but for a quarter of its idle timeout at most, as others may share the address.
fn lead(place: Place<'_>, client: IpAddr, id: BackendId) {
    let (served, service) = (place.served, &place.served.entry);
    if served.persistence.group.is_none() {
        return;
    }
    let Some(key) = identity::address(served, client) else { return };
    let now = place.now();
    let Some(fresh) = session::begin(&place, service, id, now) else { return };
    match session::find(&place, &key) {
        Some((_, stored)) => {
            let pin = stored.load();
            if !pin.same_home(&fresh) {
                // What its own traffic has earned it stays.
                stored.rehome(&pin, &fresh);
            }
        }
        None => {
            let pin = Pin { seen: now.before(service.idle_ticks / 4 * 3), ..fresh };
            place.insert_session(Store::Pins, &key, &pin);
        }
    }
}

/// Remembers that whoever has this cookie of the application's belongs to `id`.
pub(in crate::http) fn learn(place: Place<'_>, name: &str, value: &str, id: BackendId) {
    let key = identity::digest(place.served, name, value.as_bytes());
    session::store(&place, &place.served.entry, &key, id, Proof::Certain);
}

/// Who takes a request that none of `failed` could be asked: for this once, as their sessions stay. Nobody where a
/// session waits for its home.
pub(in crate::http) fn instead<'s>(
    place: Place<'s>,
    hash: u64,
    failed: &[BackendId],
) -> Option<&'s Arc<Upstream>> {
    let served = place.served;
    if matches!(served.persistence.on_down, OnDown::Refuse | OnDown::Hold(_)) {
        return None;
    }
    // Another high half is another slot.
    let hashes = (0..TRIES).map(|at| hash.wrapping_add(at << 32));
    let mut others = hashes.filter_map(|hash| select::by_hash(&place, &served.entry, hash));
    served.upstreams.get(&others.find(|id| !failed.contains(id))?)
}

/// Counts and reports a broken promise.
fn broken(place: Place<'_>, client: IpAddr, cause: Cause, backends: [BackendId; 2]) {
    place.count(cause.reason());
    // There is no key but the cookie, which is nobody's business: the address says whose it was.
    if let Some(key) = identity::address(place.served, client) {
        place.broken(&Event::new(key, place.served.entry.number, cause, backends, place.now()));
    }
}
