//! One connection: two words that two CPUs may write at once.

use super::{Entry, Target};
use crate::shared::Word;

/// One connection.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Way {
    /// Tag and guard.
    check: Word,
    /// Target, phase and age.
    value: Word,
}

/// Binds a tuple's hash to a target of a generation. See the text of [`super`].
#[inline(always)]
const fn check(hash: u64, target: Target, generation: u32) -> u64 {
    let digest = target.0.wrapping_mul(0xff51_afd7_ed55_8ccd).wrapping_add((generation as u64) << 32);
    hash ^ (digest & 0xffff_ffff_0000_0000)
}

impl Way {
    /// The entry of this moment.
    #[inline(always)]
    pub fn entry(&self) -> Entry {
        Entry(self.value.load())
    }

    /// Might this be the way of the tuple with this hash?
    #[inline(always)]
    pub(super) fn has_tag(&self, hash: u64) -> bool {
        self.check.load() as u32 == hash as u32
    }

    /// True if this way holds `entry` for the tuple with this hash, and the entry's backend has
    /// this generation.
    #[inline(always)]
    pub fn holds(&self, hash: u64, entry: Entry, generation: u32) -> bool {
        self.check.load() == check(hash, entry.target(), generation)
    }

    /// Renews age and phase in place, unless another CPU has changed the way meanwhile.
    #[inline(always)]
    pub fn refresh(&self, old: Entry, new: Entry) {
        // Lost to another refresh, nothing is lost; lost to a replacement, there is nothing to renew.
        let _renewed = self.value.claim(old.0, new.0);
    }

    /// Fills the way.
    #[inline(always)]
    pub fn fill(&self, hash: u64, entry: Entry, generation: u32) {
        self.check.store(check(hash, entry.target(), generation));
        self.value.store(entry.0);
    }

    /// Ends the connection if nothing changed since `seen` was read; true if so: the daemon's sweep,
    /// before the 14-bit age wraps. The way stays used, as look-ups of others rely on that, and is the
    /// first to be filled again.
    pub fn clear(&self, seen: Entry) -> bool {
        self.value.claim(seen.0, Entry::CLEARED)
    }
}
