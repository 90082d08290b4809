//! The promises of `docs/sessions.md`, on random histories: clients open, use and end connections while time goes by
//! and backends come, go, fail, drain and change, and the file is read again with other policies.
//!
//! What runs is the real thing: the packet path, in any [`Balancer`], and tables that the daemon's own plans fill
//! ([`daemon`]). What it must do is said by an [`oracle`] that knows the rules in words and nothing of the code. After each
//! event what both say of packets, sessions and counts must be the same.

pub mod balancer;
mod compare;
pub mod daemon;
mod event;
mod oracle;
mod play;
mod played;
mod run;
mod setup;
mod wire;

pub use self::{balancer::Host, run::run};

/// The ports that connections get: more than there are connections in a history, so that none is given twice.
pub const PORTS: (u16, u16) = (1024, 2047);
/// `FLOWS` buckets: so many that no connection displaces another.
const BUCKETS: u32 = 512;
/// Slots of all services.
const SLOTS: u32 = 256;
/// Entries of `BACKENDS`, but for the first.
pub const BACKENDS: u32 = 16;
