//! Broken promises, as they happen.

use std::time::SystemTime;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventQuery {
    /// Those after this one; 0: all that the daemon still has.
    #[serde(default)]
    pub after: u64,
}

/// Events of late, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Events {
    /// The events. They are a sample: beyond 100 a tick on a CPU, promises are counted only (see `status`).
    pub events: Vec<Broken>,
    /// Where the next question goes on: the number of the last event there was.
    pub last: u64,
    /// Which run of the daemon numbers them: another one begins anew.
    pub run: u64,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Its number, from 1 on.
    pub number: u64,
    /// When, to about a second.
    #[serde(with = "moment")]
    pub time: SystemTime,
    /// The service.
    pub service: String,
    /// The client: its address, or the prefix that it is known by.
    pub client: IpNet,
    /// Why, as in [`super::Promises::broken`].
    pub cause: String,
    /// The backend that it belonged to; `None` if that is not known any more.
    pub old: Option<String>,
    /// The backend that serves it now; `None` if it was refused, or the hash decides.
    pub new: Option<String>,
}

/// Moments as RFC 3339 has them, in UTC.
mod moment {
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_rfc3339_seconds(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(from)?;
        humantime::parse_rfc3339_weak(&text).map_err(D::Error::custom)
    }
}
