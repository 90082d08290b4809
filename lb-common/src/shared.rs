//! One 8-byte word that several CPUs, and the daemon, read and write at the same time.
//!
//! Every entry that the packet path changes in place is made of these words. A word is never torn:
//! it is aligned and moved by one instruction. *Between* words nothing is promised, neither order
//! nor a common moment (but see [`crate::state::stranger`]), so each type that needs two words to
//! agree carries a guard computed over both (see [`crate::state::flow`] and [`crate::state::binding`]) and a reader that finds a guard
//! which doesn't fit treats the entry as absent.

#[cfg(not(target_arch = "bpf"))]
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A shared word.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Word(
    #[cfg(not(target_arch = "bpf"))] AtomicU64,
    #[cfg(target_arch = "bpf")] core::cell::UnsafeCell<u64>,
);

#[cfg(not(target_arch = "bpf"))]
impl Word {
    /// A word that holds `value`.
    pub const fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// The value of this moment.
    #[inline(always)]
    pub fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn store(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Replaces the value if it is still `current`; true if it was.
    #[inline(always)]
    pub fn claim(&self, current: u64, new: u64) -> bool {
        use core::sync::atomic::Ordering::SeqCst;
        self.0.compare_exchange(current, new, SeqCst, Relaxed).is_ok()
    }

    /// Clears `bits`.
    #[inline(always)]
    pub fn clear(&self, bits: u64) {
        use core::sync::atomic::Ordering::SeqCst;
        self.0.fetch_and(!bits, SeqCst);
    }
}

// SAFETY: the target has plain 8-byte loads and stores and no `AtomicU64::load`; volatile accesses
// of an aligned word compile to exactly one of them, which the machine does not tear.
#[cfg(target_arch = "bpf")]
unsafe impl Sync for Word {}

#[cfg(target_arch = "bpf")]
impl Word {
    /// A word that holds `value`.
    pub const fn new(value: u64) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// The value of this moment.
    #[inline(always)]
    pub fn load(&self) -> u64 {
        // SAFETY: the pointer comes from a live reference, hence valid and aligned.
        unsafe { self.0.get().read_volatile() }
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn store(&self, value: u64) {
        // SAFETY: as in `load`; `UnsafeCell` permits the write.
        unsafe { self.0.get().write_volatile(value) }
    }

    /// Replaces the value if it is still `current`; true if it was.
    #[inline(always)]
    pub fn claim(&self, current: u64, new: u64) -> bool {
        use core::intrinsics::{AtomicOrdering::SeqCst, atomic_cxchg};
        // SAFETY: as in `store`; the instruction is BPF_CMPXCHG (kernel 5.12).
        unsafe { atomic_cxchg::<u64, { SeqCst }, { SeqCst }>(self.0.get(), current, new).1 }
    }

    /// Clears `bits`.
    #[inline(always)]
    pub fn clear(&self, bits: u64) {
        use core::intrinsics::{AtomicOrdering::SeqCst, atomic_and};
        // A full barrier, see `state::stranger`: what fetches is one, also where the bare operation is not.
        // SAFETY: as in `store`; the instruction is BPF_AND with BPF_FETCH (kernel 5.12).
        unsafe { atomic_and::<u64, u64, { SeqCst }>(self.0.get(), !bits) };
    }
}
