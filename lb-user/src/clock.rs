//! The packet program's clock, read from here.
//!
//! It stands still while the machine is suspended, and with it all timeouts: a session that was idle for a minute when
//! the machine went to sleep is so when it wakes up.

use std::time::{Duration, SystemTime};

use lb_common::time::Tick;
use nix::time::{ClockId, clock_gettime};

use crate::snapshot::Moment;

/// The tick of this moment.
pub(crate) fn now() -> Tick {
    Tick::from_nanos(read(ClockId::CLOCK_MONOTONIC_COARSE).as_nanos() as u64)
}

/// This moment on both clocks.
pub(crate) fn moment() -> Moment {
    Moment::new(SystemTime::now(), now())
}

/// Seconds since 1970.
pub(crate) fn seconds() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// How long the machine was suspended since its boot.
pub(crate) fn asleep() -> Duration {
    // In this order a pause in between makes it less, not more.
    let since_boot = read(ClockId::CLOCK_BOOTTIME);
    since_boot.saturating_sub(read(ClockId::CLOCK_MONOTONIC))
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("the clock exists since Linux 2.6.39").into()
}
