//! Entering a connection, or its way back, into the flow table.

use crate::{
    reason::Reason,
    state::{
        Bucket,
        flow::{Displaced, Entry},
    },
    tables::Tables,
    time::Tick,
};

/// Stores a connection in the bucket that its hash leads to, and counts what had to make room.
#[inline(always)]
pub fn enter<T: Tables>(tables: &T, bucket: &Bucket, hash: u64, entry: Entry, generation: u32, now: Tick) {
    match bucket.insert(hash, entry, generation, now) {
        Displaced::Nothing => {}
        Displaced::Stranger => tables.count(Reason::FlowDisplacedStranger),
        Displaced::Proven => tables.count(Reason::FlowDisplacedProven),
    }
}
