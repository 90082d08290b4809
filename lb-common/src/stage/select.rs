//! The function behind the promise: which backend a client without a session gets.

use crate::{
    state::{BackendId, Health, Policy, Service},
    tables::Tables,
};

/// Slots tried when a backend is down and the table has not been rebuilt yet.
const TRIES: u32 = 8;
/// Distance between two tries; odd, so that all slots of a table are reached.
const STEP: u32 = 0x9e37_79b1;

/// The backend that `hash` alone leads to: the slot's, or where that is not up the first that is,
/// in an order that depends on the hash only.
#[inline(always)]
pub fn by_hash<T: Tables>(tables: &T, service: &Service, hash: u64) -> Option<BackendId> {
    first(tables, service, (hash >> 32) as u32, false)
}

/// The backend for a new session: the hash's, or where the service's policy says so another that has fewer
/// sessions.
#[inline(always)]
pub fn by_load<T: Tables>(tables: &T, service: &Service, hash: u64) -> Option<BackendId> {
    let at = (hash >> 32) as u32;
    if service.policy.has(Policy::LEAST_SESSIONS) {
        // The power of two choices: a second candidate is nearly as good as knowing all (Mitzenmacher 2001).
        let one = admitting(tables, service, at)?;
        let other = admitting(tables, service, hash as u32)?;
        let less = tables.load(other)?.is_less_than(&*tables.load(one)?);
        return Some(if less { other } else { one });
    }
    admitting(tables, service, at)
}

/// The first backend from slot `at` on that takes new sessions; if none of those tried does, the first that is up.
#[inline(never)]
fn admitting<T: Tables>(tables: &T, service: &Service, at: u32) -> Option<BackendId> {
    if service.policy.has(Policy::BOUNDED)
        && let Some(id) = first(tables, service, at, true)
    {
        return Some(id);
    }
    first(tables, service, at, false)
}

/// The first backend from slot `at` on that is up, and if `bounded` has not got its share of sessions.
#[inline(always)]
fn first<T: Tables>(tables: &T, service: &Service, mut at: u32, bounded: bool) -> Option<BackendId> {
    for _ in 0..TRIES {
        let id = tables.slot(service.slots_base + (at & service.slots_mask))?;
        if !id.is_none()
            && tables.health(id) == Health::Up
            && !(bounded && tables.load(id).is_some_and(|load| load.is_full()))
        {
            return Some(id);
        }
        at = at.wrapping_add(STEP);
    }
    None
}
