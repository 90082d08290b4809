//! `FLOWS`: the microflow cache. One 64-byte bucket, one cache line, holds four connections.
//!
//! A tuple's hash leads to two buckets. A connection goes into the first while that is nearly empty,
//! else into the emptier of the two, so that a table with twice as many ways as connections holds
//! all but 0.03 % of them (one choice of four ways: all but 4 %), and 90 % of those in their first
//! line. A look-up needs the second line only if the first [is crowded](Bucket::is_crowded).
//!
//! A way is two words:
//!
//! ```text
//! check   bits  0..32  tag: low half of the tuple's hash
//!         bits 32..64  guard: high half of the hash ^ digest(target, generation)
//! value   bits  0..48  target: backend (20), source index (8), reply (1), source port (16),
//!                      and the interface that the last packet came in by (3, its index modulo 8)
//!         bits 48..64  phase (2) and age (14): the tick of the last refresh
//! ```
//!
//! Where a connection holds no source port (`dsr` and tunnels), source index and port are 24 bits of the flow's hash, and
//! in the way back of one that does (see [`Target::answer`]) the index of its binding.
//!
//! *Why two CPUs can't make a false entry:* each word is written whole, so a reader may see the
//! check of one writer with the value of another, but then the guard, which binds the hash to the
//! target, does not fit, and the way counts as empty. The guard leaves phase, age and interface
//! out, so that they can be refreshed in place. It takes the backend's *generation* in, without storing it: a
//! flow of a backend that is gone stops matching the moment its index is given to another. (The
//! same trick as in the transposition tables of chess programs: Hyatt and Mann, 2002.)
//!
//! *What a false hit takes:* 64 bits of keyed hash are compared (tag and guard), of which the bucket
//! index fixes some; with 2^17 buckets a packet of an unknown tuple hits by chance once in 2^45.

mod bucket;
mod entry;
mod target;
#[cfg(test)]
mod tests;
mod way;

pub use self::{
    bucket::{Bucket, Displaced, WAYS, first_index, second_index},
    entry::{Entry, Phase},
    target::Target,
    way::Way,
};
