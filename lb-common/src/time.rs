//! The packet path's clock: ticks of 2^30 ns (about 1.07 s) of `CLOCK_MONOTONIC_COARSE`.
//!
//! The coarse clock costs next to nothing per packet (the precise one about 30 ns) and a shift is
//! cheaper than a division. The daemon reads the same clock, so ticks compare across both.

/// A moment, in ticks since boot. 32 bits last 146 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct Tick(pub u32);

impl Tick {
    /// Nanoseconds in a tick, as a shift.
    pub const SHIFT: u32 = 30;

    /// The tick that a time of `CLOCK_MONOTONIC` falls into.
    #[inline(always)]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self((nanos >> Self::SHIFT) as u32)
    }

    /// Ticks gone by since `earlier`; 0 if that is in the future, which a tick read on another CPU
    /// a moment later can be.
    #[inline(always)]
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
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
