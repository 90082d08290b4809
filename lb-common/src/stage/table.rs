//! Connections, and their ways back, in the flow table: finding and entering.

use crate::{
    reason::Reason,
    state::{
        Bucket,
        flow::{Displaced, Entry, first_index, second_index},
    },
    tables::{Cache, Tables},
};

/// A flow without packets for this many ticks (5 min) counts as dead when it is displaced.
const FLOW_LIVE: u32 = 280;
/// The fragments of a packet come within this many ticks (30 s, Linux's own time for IPv4), or never. Nobody
/// sweeps them, so an entry counts again for as long when its 14-bit age wraps, after 4.9 h: then only a fragment
/// with the same addresses and identification that comes before its first could follow it.
pub const FRAGMENT_LIVE: u32 = 28;

/// Number of buckets of a cache less one.
#[inline(always)]
fn mask<T: Tables>(tables: &T, cache: Cache) -> u32 {
    match cache {
        Cache::Flows => tables.settings().bucket_mask.get(),
        Cache::Fragments => tables.settings().fragment_mask.get(),
    }
}

/// The bucket that may hold the tuple with this hash, and which of its ways.
#[inline(always)]
pub fn find<T: Tables>(tables: &T, cache: Cache, hash: u64) -> Option<(T::Ref<'_, Bucket>, usize)> {
    let mask = mask(tables, cache);
    let first = tables.bucket(cache, first_index(hash, mask))?;
    match first.position(hash) {
        Some(at) => Some((first, at)),
        None if first.is_crowded() => {
            let second = tables.bucket(cache, second_index(hash, mask))?;
            let at = second.position(hash)?;
            Some((second, at))
        }
        None => None,
    }
}

/// Stores a connection, and counts what had to make room.
#[inline(always)]
pub fn enter<T: Tables>(tables: &T, hash: u64, entry: Entry, generation: u32) {
    match insert(tables, Cache::Flows, hash, entry, generation) {
        Displaced::Nothing => {}
        Displaced::Stranger => tables.count(Reason::FlowDisplacedStranger),
        Displaced::Proven => tables.count(Reason::FlowDisplacedProven),
    }
}

/// Stores where a packet's first fragment went, and counts what had to make room.
// Not inlined: what few packets need would take stack from those that don't.
#[inline(never)]
pub fn enter_fragment<T: Tables>(tables: &T, hash: u64, entry: Entry, generation: u32) {
    if insert(tables, Cache::Fragments, hash, entry, generation) != Displaced::Nothing {
        tables.count(Reason::FragmentDisplaced);
    }
}

#[inline(always)]
fn insert<T: Tables>(tables: &T, cache: Cache, hash: u64, entry: Entry, generation: u32) -> Displaced {
    let mask = mask(tables, cache);
    let live = match cache {
        Cache::Flows => FLOW_LIVE,
        Cache::Fragments => FRAGMENT_LIVE,
    };
    let Some(first) = tables.bucket(cache, first_index(hash, mask)) else { return Displaced::Nothing };
    let Some(second) = tables.bucket(cache, second_index(hash, mask)) else { return Displaced::Nothing };
    first.insert(&second, hash, entry, generation, live)
}
