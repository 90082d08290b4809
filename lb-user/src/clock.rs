//! The packet program's clock, read from here.

use lb_common::time::Tick;
use nix::time::{ClockId, clock_gettime};

/// The tick of this moment.
pub(crate) fn now() -> Tick {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("the clock exists since Linux 2.6.32");
    Tick::from_nanos(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}
