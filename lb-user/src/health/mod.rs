//! Health of backends: probes, hysteresis, and the tasks that run them.
//!
//! [`Monitor`] keeps one task for each backend of each service that is checked. A task probes ([`probe`]), judges with
//! hysteresis ([`Judge`]) and sends a [`Flip`] when the verdict changes.
//!
//! **Before the first verdict** a backend has the state it was given, [`Target::initially_up`]. A daemon
//! that adopts running maps gives what they say, so a restart changes nothing. A new backend is given
//! `true`: it serves at once, and is taken down by its first `fall` failures in a row like any other.
//! Waiting for `rise` passes instead would leave a freshly started balancer with nowhere to send clients.
//!
//! **Timing.** The first probe starts at a random moment of the first interval, so that a thousand backends
//! are not probed all at once. Later ones start 0.9 to 1 interval after the one before: never later, so that a
//! backend that dies is down within `interval x fall + timeout`, whatever the dice say.

mod judge;
mod monitor;
mod probe;

pub use judge::Judge;
pub use monitor::{BackendKey, Flip, Monitor, Report, Target};
pub use probe::probe;
