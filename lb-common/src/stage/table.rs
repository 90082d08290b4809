//! Connections, and their ways back, in the flow table: finding and entering.

use crate::{
    reason::Reason,
    state::{
        Bucket,
        flow::{Displaced, Entry, first_index, second_index},
    },
    tables::Tables,
    time::Tick,
};

/// The bucket that may hold the tuple with this hash, and which of its ways.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, hash: u64) -> Option<(T::Ref<'_, Bucket>, usize)> {
    let mask = tables.settings().bucket_mask.get();
    let first = tables.bucket(first_index(hash, mask))?;
    match first.position(hash) {
        Some(at) => Some((first, at)),
        None if first.is_crowded() => {
            let second = tables.bucket(second_index(hash, mask))?;
            let at = second.position(hash)?;
            Some((second, at))
        }
        None => None,
    }
}

/// Stores a connection, and counts what had to make room.
// Not inlined: the verifier follows each choice among eight ways, and forgets at the return which it was.
#[inline(never)]
pub fn enter<T: Tables>(tables: &T, hash: u64, entry: Entry, generation: u32, now: Tick) {
    let mask = tables.settings().bucket_mask.get();
    let Some(first) = tables.bucket(first_index(hash, mask)) else { return };
    let Some(second) = tables.bucket(second_index(hash, mask)) else { return };
    match first.insert(&second, hash, entry, generation, now) {
        Displaced::Nothing => {}
        Displaced::Stranger => tables.count(Reason::FlowDisplacedStranger),
        Displaced::Proven => tables.count(Reason::FlowDisplacedProven),
    }
}
