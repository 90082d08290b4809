//! The packet program's clock, read from here: `CLOCK_MONOTONIC_COARSE` and the time that the machine was suspended, which
//! that leaves out, as far as it has been noticed ([`wake`]). Timeouts go on while the machine sleeps, as people expect
//! of them.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use lb_common::time::Tick;
use nix::time::{ClockId, clock_gettime};

use crate::snapshot::Moment;

/// Seconds that the machine was suspended since its boot, as far as it was noticed.
static ASLEEP: AtomicU32 = AtomicU32::new(0);

/// The tick of this moment.
pub fn now() -> Tick {
    Tick::from_nanos(nanos())
}

/// Nanoseconds since the boot.
pub fn nanos() -> u64 {
    let awake = read(ClockId::CLOCK_MONOTONIC_COARSE);
    (awake + Duration::from_secs(asleep().into())).as_nanos() as u64
}

/// This moment on both clocks.
pub(crate) fn moment() -> Moment {
    Moment::new(SystemTime::now(), now())
}

/// Counts in how long the machine was suspended, in whole seconds, and says how much of that is new. The packet program's
/// clock is behind then, until it is set.
pub(crate) fn wake() -> Duration {
    // In this order a pause in between makes it less, not more.
    let boot = read(ClockId::CLOCK_BOOTTIME);
    let asleep = boot.saturating_sub(read(ClockId::CLOCK_MONOTONIC)).as_secs() as u32;
    Duration::from_secs(asleep.saturating_sub(ASLEEP.fetch_max(asleep, Relaxed)).into())
}

/// Seconds that the machine was suspended, as far as they are counted.
pub(crate) fn asleep() -> u32 {
    ASLEEP.load(Relaxed)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("the clock exists since Linux 2.6.39").into()
}
