//! The function behind the promise: which backend a client without a session gets.

use crate::{
    state::{BackendId, Health, Service},
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
    let mut at = (hash >> 32) as u32;
    for _ in 0..TRIES {
        let id = tables.slot(service.slots_base + (at & service.slots_mask))?;
        if !id.is_none() && tables.health(id) == Health::Up {
            return Some(id);
        }
        at = at.wrapping_add(STEP);
    }
    None
}
