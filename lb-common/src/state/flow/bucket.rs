//! Four connections, of which the one that is worth least gives way.

use super::{Entry, Phase, Way};
use crate::state::{Plain, layout};

/// Ways in a bucket.
pub const WAYS: usize = 4;

/// Used ways from which on a bucket's connections may be in their second bucket.
const CROWDED: u32 = 3;

/// Four connections in one cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Bucket {
    /// The ways. Each tuple has one that it takes first.
    pub ways: [Way; WAYS],
}
layout!(Bucket, size = 64, align = 64);
// SAFETY: eight shared words; every bit pattern is an entry, valid or not.
unsafe impl Plain for Bucket {}

/// Index of the first bucket that a tuple's hash leads to.
#[inline(always)]
pub const fn first_index(hash: u64, mask: u32) -> u32 {
    (hash >> 32) as u32 & mask
}

/// Index of the second. Drawn from the tag, which the first does not depend on.
#[inline(always)]
pub const fn second_index(hash: u64, mask: u32) -> u32 {
    ((hash >> 32) as u32 ^ (hash as u32).wrapping_mul(0x9e37_79b1) >> 7) & mask
}

/// The way that a tuple has if it is free, or worth no more than any other.
#[inline(always)]
const fn home(hash: u64) -> usize {
    hash as usize >> 8 & (WAYS - 1)
}

/// What an insertion displaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Displaced {
    /// Nothing of worth: an empty way, an older entry of the same tuple, or one past its timeout.
    Nothing,
    /// A live connection of a client not proven.
    Stranger,
    /// A live connection of a proven client.
    Proven,
}

impl Bucket {
    /// Index of the way whose tag fits, if any. Whether its guard fits is for [`Way::holds`] to say, once
    /// the backend's generation is known.
    #[inline(always)]
    pub fn position(&self, hash: u64) -> Option<usize> {
        // At home first: most are there, and the processor need not guess which way it will be.
        let home = home(hash);
        if self.ways[home].has_tag(hash) {
            return Some(home);
        }
        self.ways.iter().position(|way| way.has_tag(hash))
    }

    /// Ways that were ever written.
    // Without a branch, as the verifier would follow both ways of each.
    #[inline(always)]
    fn used(&self) -> u32 {
        self.ways.iter().map(|way| (way.entry().0.wrapping_neg() | way.entry().0) >> 63).sum::<u64>() as u32
    }

    /// True if a connection that this is the first bucket of may be in its second.
    #[inline(always)]
    pub fn is_crowded(&self) -> bool {
        self.used() >= CROWDED
    }

    /// Stores a connection that has this as its first and `second` as its second bucket: where the tuple
    /// already is, else where there is more room, as the module's text says. What was not refreshed for `live`
    /// ticks is no loss.
    #[inline(always)]
    pub fn insert(&self, second: &Self, hash: u64, entry: Entry, generation: u32, live: u32) -> Displaced {
        let used = self.used();
        let goes_second = used >= CROWDED
            && self.position(hash).is_none()
            && (second.position(hash).is_some() || used > second.used());
        let bucket = if goes_second { second } else { self };
        bucket.replace(hash, entry, generation, live)
    }

    /// Stores a connection in the tuple's own old way, else in the one that is worth least.
    #[inline(always)]
    fn replace(&self, hash: u64, entry: Entry, generation: u32, live: u32) -> Displaced {
        // As it is looked up: of two copies, which two CPUs at once may make, only one is ever found.
        if let Some(own) = self.position(hash).and_then(|at| self.ways.get(at)) {
            own.fill(hash, entry, generation);
            return Displaced::Nothing;
        }
        let now = entry.refreshed();
        // Which it is, beside its rank.
        let home = home(hash);
        let ranked = |at: usize| self.ways[at].entry().rank(now) << 2 | (at ^ home) as u32;
        let least = ranked(0).min(ranked(1)).min(ranked(2)).min(ranked(3));
        let victim = &self.ways[least as usize & 3 ^ home];
        let old = victim.entry();
        victim.fill(hash, entry, generation);
        if old.is_empty() || old.phase() == Phase::Closing || old.idle(now) > live {
            Displaced::Nothing
        } else if old.phase() == Phase::Proven {
            Displaced::Proven
        } else {
            Displaced::Stranger
        }
    }
}
