//! `LOADS`: how many sessions a backend has, for services that choose by that.

use super::{Plain, layout};
use crate::shared::Word;

/// A backend's load.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Load {
    /// Sessions: counted by the daemon now and then, and up by one with each that is made in between.
    sessions: Word,
    /// With this many sessions it gets no new clients (low half; 0: no bound), and its weight, at least 1 (high half).
    share: Word,
}
layout!(Load, size = 16, align = 8);
// SAFETY: two shared words; every bit pattern is a load.
unsafe impl Plain for Load {}

impl Load {
    /// Says anew how many sessions it has.
    pub fn set_sessions(&self, sessions: u64) {
        self.sessions.store(sessions);
    }

    /// Says anew how many sessions it may have (0: any number), and its weight, which is smaller while it starts slowly.
    pub fn set_share(&self, limit: u32, weight: u32) {
        self.share.store(u64::from(limit) | u64::from(weight) << 32);
    }

    /// Its sessions.
    #[inline(always)]
    pub fn sessions(&self) -> u64 {
        self.sessions.load()
    }

    /// Counts one more. Two CPUs that do so at the same moment may count one: the daemon's next count mends it.
    #[inline(always)]
    pub fn add(&self) {
        self.sessions.store(self.sessions.load().wrapping_add(1));
    }

    /// Does it have its share?
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        let limit = self.share.load() & 0xffff_ffff;
        limit != 0 && self.sessions() >= limit
    }

    /// Does it have fewer sessions than `other`, for its weight?
    #[inline(always)]
    pub fn is_less_than(&self, other: &Self) -> bool {
        let (own, its) = (self.share.load() >> 32, other.share.load() >> 32);
        self.sessions().wrapping_mul(its) < other.sessions().wrapping_mul(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_compare_by_weight() {
        let load = |sessions, limit, weight| {
            let load = Load::default();
            load.set_sessions(sessions);
            load.set_share(limit, weight);
            load
        };
        assert!(load(10, 0, 2).is_less_than(&load(6, 0, 1)));
        assert!(!load(12, 0, 2).is_less_than(&load(6, 0, 1)) && !load(6, 0, 1).is_less_than(&load(12, 0, 2)));
        assert!(load(7, 7, 1).is_full() && !load(6, 7, 1).is_full() && !load(u64::MAX, 0, 1).is_full());
        let counted = load(6, 7, 1);
        counted.add();
        assert!(counted.is_full());
    }
}
