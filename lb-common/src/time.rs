//! The packet path's clock: ticks of 2^30 ns (about 1.07 s) of `CLOCK_MONOTONIC_COARSE`. A shift is cheaper than
//! a division. The daemon reads the same clock, so ticks compare across both.

use crate::shared::Word;

/// A moment, in ticks since boot, modulo 2^32. A session may be older than the boot: [`Tick::since`] tells apart
/// moments within 73 years of each other, where the order of numbers is that of moments since the boot alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct Tick(pub u32);

impl Tick {
    /// Nanoseconds in a tick, as a shift.
    pub const SHIFT: u32 = 30;
    /// The longest time between two moments: 73 years.
    pub const LONGEST: u32 = i32::MAX as u32;

    /// The tick that a time of `CLOCK_MONOTONIC` falls into.
    #[inline(always)]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self((nanos >> Self::SHIFT) as u32)
    }

    /// Ticks gone by since `earlier`; 0 if that is in the future, which a tick read on another CPU
    /// a moment later can be.
    #[inline(always)]
    pub const fn since(self, earlier: Self) -> u32 {
        let ticks = self.0.wrapping_sub(earlier.0);
        if (ticks as i32) < 0 { 0 } else { ticks }
    }

    /// The moment so many ticks ago, [`Tick::LONGEST`] at most.
    pub const fn before(self, ticks: u32) -> Self {
        Self(self.0.wrapping_sub(if ticks > Self::LONGEST { Self::LONGEST } else { ticks }))
    }

    /// Ticks that cover `nanos`, rounded up: a timeout is never cut short.
    pub const fn covering(nanos: u64) -> u32 {
        let ticks = nanos.div_ceil(1 << Self::SHIFT);
        if ticks > u32::MAX as u64 { u32::MAX } else { ticks as u32 }
    }

    /// How often in a tick something happens that happens `per_second` times a second, rounded up.
    pub const fn times(per_second: u32) -> u32 {
        let times = ((per_second as u64) << Self::SHIFT).div_ceil(1_000_000_000);
        if times > u32::MAX as u64 { u32::MAX } else { times as u32 }
    }

    /// Seconds that `ticks` ticks last.
    pub fn seconds(ticks: u32) -> f64 {
        f64::from(ticks) * (1u64 << Self::SHIFT) as f64 / 1e9
    }
}

/// `CLOCK_MONOTONIC_COARSE` as the packet path reads it: from the kernel's jiffies, which cost one load where the
/// clock itself costs a call, 2 ns a packet (and the precise one about 30).
///
/// The kernel counts a jiffy for every so many nanoseconds of `CLOCK_MONOTONIC` (`tick_do_update_jiffies64`), and
/// the coarse clock goes on with it; so the two differ by what they began with, and by less than a jiffy.
#[derive(Debug)]
pub struct Clock {
    nanos: Word,
    offset: Word,
}

impl Clock {
    /// A clock that has not been set and stands still.
    pub const fn new() -> Self {
        Self { nanos: Word::new(0), offset: Word::new(0) }
    }

    /// Sets it: a jiffy lasts `nanos` ns, and at `jiffies` the coarse clock shows `coarse`.
    #[inline(always)]
    pub fn set(&self, nanos: u64, jiffies: u64, coarse: u64) {
        self.nanos.store(nanos);
        self.offset.store(coarse.wrapping_sub(jiffies.wrapping_mul(nanos)));
    }

    /// The tick that `jiffies` falls into.
    #[inline(always)]
    pub fn tick(&self, jiffies: u64) -> Tick {
        Tick::from_nanos(jiffies.wrapping_mul(self.nanos.load()).wrapping_add(self.offset.load()))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_the_boot_are_in_the_past() {
        let now = Tick(20);
        for ticks in [0, 20, 21, 600, Tick::LONGEST] {
            assert_eq!(now.since(now.before(ticks)), ticks);
        }
        assert_eq!(now.since(now.before(u32::MAX)), Tick::LONGEST);
        assert_eq!(now.since(Tick(21)), 0);
        assert_eq!(now.before(30).since(now), 0);
    }

    /// Jiffies begin at a number that soon overflows 32 bits, and have nothing to do with the time since boot.
    #[test]
    fn jiffies_show_the_coarse_clock() {
        const NANOS: u64 = 3_333_333;
        let (first, coarse) = (u64::from(u32::MAX) - 300, 77 << Tick::SHIFT);
        let clock = Clock::new();
        clock.set(NANOS, first, coarse);
        for passed in [0, 1, 321, 322, 323, 1_000_000_000] {
            assert_eq!(clock.tick(first + passed), Tick::from_nanos(coarse + passed * NANOS));
        }
        // Ticks before it was set, as another CPU may read.
        assert_eq!(clock.tick(first - 1), Tick(76));
    }
}
