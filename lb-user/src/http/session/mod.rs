//! Which backend a request goes to: who its client is, and what was promised to it.

mod carried;
mod choose;
mod desk;
mod explain;
mod identity;
mod repinned;
mod served;

use std::time::SystemTime;

pub use self::explain::{Explained, Found, Led};
pub(super) use self::{
    carried::SEPARATOR,
    choose::{Choice, Question, choose, instead, learn},
    desk::Desk,
    explain::explain,
    identity::hash,
    repinned::Repinned,
    served::{DigestKey, Served, Upstream},
};

/// Seconds since 1970.
pub(super) fn seconds() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}
