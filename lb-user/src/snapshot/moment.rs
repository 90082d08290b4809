//! One moment on both clocks: the packet program's, which begins with the boot, and everybody's.

use std::time::{SystemTime, UNIX_EPOCH};

use lb_common::time::Tick;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// A moment, by which ticks and wall time are turned into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970.
    pub wall: u64,
    /// The packet program's clock.
    pub tick: Tick,
}

impl Moment {
    /// A wall clock from before 1970 counts as 1970.
    #[must_use]
    pub fn new(wall: SystemTime, tick: Tick) -> Self {
        Self { wall: wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(), tick }
    }

    /// Seconds since 1970 at an earlier tick. A part of a second counts as none gone by: no timeout is cut short.
    #[must_use]
    pub fn wall_at(&self, tick: Tick) -> u32 {
        let passed = (u64::from(self.tick.since(tick)) << Tick::SHIFT) / SECOND;
        u32::try_from(self.wall.saturating_sub(passed)).unwrap_or(u32::MAX)
    }

    /// The tick so many seconds ago, which may be before the boot.
    #[must_use]
    pub fn tick_before(&self, seconds: u64) -> Tick {
        let ticks = seconds.saturating_mul(SECOND) >> Tick::SHIFT;
        self.tick.before(u32::try_from(ticks).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn there_and_back() {
        let wall = UNIX_EPOCH + Duration::from_millis(1_800_000_000_900);
        let before = Moment::new(wall, Tick(1_000_000));
        let seen = Tick(1_000_000 - 559);
        // 559 ticks are 600.2 s.
        assert_eq!(before.wall_at(seen), 1_800_000_000 - 600);
        // The machine is up for 30 s: longer ago than that was before its boot.
        let after = Moment::new(wall, Tick(28));
        assert_eq!(after.tick.since(after.tick_before(600)), 558);
        assert_eq!(after.tick.since(after.tick_before(u64::MAX)), Tick::LONGEST);
        assert_eq!(after.tick_before(0), Tick(28));
    }
}
