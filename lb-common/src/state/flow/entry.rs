//! A way's value: where the connection goes, how far it has come, and when it was last used.

use super::Target;
use crate::time::Tick;

/// How far a connection has come. Replacement prefers lower phases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Phase {
    /// A FIN or RST was seen: the next SYN starts afresh, but for one after a refusal (see `Stamp::is_asked_again`).
    Closing = 0,
    /// One packet was seen.
    New = 1,
    /// The client came again, but may have forged its address.
    Seen = 2,
    /// The client has shown that it receives what the backend sends.
    Proven = 3,
}

impl Phase {
    /// From the lowest two bits.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Closing,
            1 => Self::New,
            2 => Self::Seen,
            _ => Self::Proven,
        }
    }
}

/// A way's value as read at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(pub(super) u64);

impl Entry {
    const AGE_MASK: u64 = (1 << 14) - 1;
    /// The interface that the last packet came in by.
    pub(super) const WAY: u64 = 7 << Self::WAY_SHIFT;
    const WAY_SHIFT: u32 = 29;
    /// No backend's: the bit says "reply".
    pub(super) const CLEARED: u64 = Target::REPLY;

    /// An entry that was refreshed at `now`.
    #[inline(always)]
    pub const fn new(target: Target, phase: Phase, now: Tick) -> Self {
        Self(target.0 | (phase as u64) << 48 | (now.0 as u64 & Self::AGE_MASK) << 50)
    }

    /// From the number that [`Entry::raw`] gives.
    #[inline(always)]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The entry as a number.
    #[inline(always)]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The same, of a packet that came in by the interface `ingress`.
    #[inline(always)]
    #[must_use]
    pub const fn by(self, ingress: u32) -> Self {
        Self(self.0 & !Self::WAY | ((ingress & 7) as u64) << Self::WAY_SHIFT)
    }

    /// Might the last packet have come in by the interface `ingress`? Certainly not, if the answer is no.
    #[inline(always)]
    pub const fn came_by(self, ingress: u32) -> bool {
        (self.0 >> Self::WAY_SHIFT) as u32 & 7 == ingress & 7
    }

    /// Where the connection goes.
    #[inline(always)]
    pub const fn target(self) -> Target {
        Target(self.0 & Target::MASK)
    }

    /// How far it has come.
    #[inline(always)]
    pub const fn phase(self) -> Phase {
        Phase::from_bits(self.0 >> 48)
    }

    /// The tick of the last refresh, modulo 2^14: a good `now` for [`Entry::idle`].
    #[inline(always)]
    pub(super) const fn refreshed(self) -> Tick {
        Tick((self.0 >> 50) as u32)
    }

    /// Ticks since the last refresh, modulo 2^14 (4.9 hours); 0 for one that another CPU, a tick ahead, has
    /// refreshed already.
    #[inline(always)]
    pub const fn idle(self, now: Tick) -> u32 {
        let idle = ((now.0 as u64).wrapping_sub(self.0 >> 50) & Self::AGE_MASK) as u32;
        if idle == Self::AGE_MASK as u32 { 0 } else { idle }
    }

    /// True for a way without a connection: never written, or cleared.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.target().backend().is_none()
    }

    /// What a replacement would lose: a lower rank is replaced first. No connection, then closing ones, then
    /// strangers', then proven ones; among these the longest idle.
    // A second packet costs a forger no more than the first. So it counts for something only among those that
    // are idle for as long; else newcomers would give way to what a flood left behind.
    #[inline(always)]
    pub(super) const fn rank(self, now: Tick) -> u32 {
        if self.is_empty() {
            return 0;
        }
        // By phase, two bits each: without branches, which the verifier would follow for each of eight ways.
        const CLASSES: u32 = 1 << (2 * Phase::Closing as u32)
            | 2 << (2 * Phase::New as u32)
            | 2 << (2 * Phase::Seen as u32)
            | 3 << (2 * Phase::Proven as u32);
        let phase = self.phase() as u32;
        let class = CLASSES >> (2 * phase) & 3;
        let is_seen = (1 << Phase::Seen as u32) >> phase & 1;
        class << 15 | (Self::AGE_MASK as u32 - self.idle(now)) << 1 | is_seen
    }
}
