//! `GHOSTS`: clients that had proved themselves, but could not be pinned, for want of room or of budget. Their
//! sessions are among those of strangers, and may be evicted; by this they are recognised when they come back.
//!
//! One word a client, at a place that its hash says; who comes later takes the place.

use super::Pin;
use crate::time::Tick;

/// What is left of a client: a tag of its hash (16 bits), the low bits of its home's generation (8), the home (20),
/// and the last traffic (20). All zero: nobody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ghost(pub u64);

impl Ghost {
    const GENERATION: u32 = 40;
    const TAG: u32 = 48;
    const FIELD: u64 = (1 << 20) - 1;

    /// Of a client with this hash and session.
    #[inline(always)]
    pub const fn new(hash: u64, pin: &Pin) -> Self {
        Self(
            hash >> Self::TAG << Self::TAG
                | (pin.generation as u64 & 0xff) << Self::GENERATION
                | (pin.backend.0 as u64 & Self::FIELD) << 20
                | pin.seen.0 as u64 & Self::FIELD,
        )
    }

    /// How many there are beside so many pins: enough for a quarter of the pins, a power of two.
    pub const fn room(pins: u32) -> u32 {
        let quarter = pins / 4;
        if quarter == 0 { 1 } else { quarter.next_power_of_two() }
    }

    /// The same, with its last traffic at another time.
    #[must_use]
    pub const fn used(self, seen: Tick) -> Self {
        Self(self.0 & !Self::FIELD | seen.0 as u64 & Self::FIELD)
    }

    /// The place of a client with this hash.
    #[inline(always)]
    pub const fn index(hash: u64, mask: u32) -> u32 {
        hash as u32 & mask
    }

    /// Is it the same client's?
    #[inline(always)]
    pub const fn is_of(self, hash: u64) -> bool {
        self.0 != 0 && self.0 >> Self::TAG == hash >> Self::TAG
    }

    /// Ticks since its last traffic, modulo 2^20 (13 days).
    #[inline(always)]
    pub const fn idle(self, now: Tick) -> u32 {
        now.0.wrapping_sub(self.0 as u32) & Self::FIELD as u32
    }

    /// The home.
    #[inline(always)]
    pub const fn home(self) -> u32 {
        (self.0 >> 20 & Self::FIELD) as u32
    }

    /// May the home, of this generation now, be the one that it was?
    #[inline(always)]
    pub const fn has_generation(self, generation: u32) -> bool {
        self.0 >> Self::GENERATION & 0xff == generation as u64 & 0xff
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::BackendId;

    #[test]
    fn a_ghost_knows_its_client() {
        let pin = Pin::new(BackendId(BackendId::MAX), 0x1ff, Tick(0x12_3456));
        let hash = 0xabcd_0000_1234_5678;
        let ghost = Ghost::new(hash, &pin);
        assert!(ghost.is_of(hash) && !ghost.is_of(hash ^ 1 << 48) && !Ghost(0).is_of(0));
        assert_eq!((ghost.home(), ghost.idle(Tick(pin.seen.0 + 77))), (BackendId::MAX, 77));
        assert!(ghost.has_generation(0x1ff) && !ghost.has_generation(0x200));
    }
}
