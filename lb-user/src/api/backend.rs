//! What can be done to a backend at run time.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What to do to which backend. Stays in force over reloads and restarts until it is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendOrder {
    /// Name of the service.
    pub service: String,
    /// Name of the backend.
    pub backend: String,
    /// What to do.
    pub action: BackendAction,
    /// With [`BackendAction::Drain`]: disable it after so many seconds, whoever is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<u64>,
    /// With [`BackendAction::Weight`] and [`BackendAction::Add`]: the weight, 1..=65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// With [`BackendAction::Add`]: where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// With [`BackendAction::Add`]: its port, if not as for a backend of the file that says none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// What to do to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendAction {
    /// Give it no new clients; those that it has stay.
    Drain,
    /// Give it nothing: its clients move.
    Disable,
    /// Give it again what its health permits.
    Enable,
    /// Give it another share of new clients.
    Weight,
    /// A backend that the configuration file does not have.
    Add,
    /// Take it out: its clients move.
    Remove,
    /// Back to what the configuration file says.
    Reset,
}

/// How far a drain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Seconds that it has taken, or took.
    pub elapsed_s: u64,
    /// Live sessions when it began, or when the daemon was started.
    pub sessions_before: u64,
    /// Live connections then.
    pub flows_before: u64,
    /// Live sessions that are left.
    pub sessions: u64,
    /// Live connections that are left.
    pub flows: u64,
    /// Seconds for which clients may still come whose sessions nobody can count, as they are in cookies: from the last
    /// request on for the idle timeout, or for the lifetime where no idle timeout holds. 0 where there are none.
    #[serde(default)]
    pub unseen_s: u64,
    /// Sessions that were given to other backends.
    pub moved: u64,
    /// When nobody will be left, if nothing comes in between.
    pub forecast: DrainForecast,
    /// When no session will be left, whatever becomes of connections.
    pub sessions_forecast: DrainForecast,
    /// What was still there when the deadline came; `None`: it has not come.
    pub cut: Option<Cut>,
}

/// When nobody will be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum DrainForecast {
    /// Nobody knows yet.
    Unknown,
    /// At some time.
    Empty {
        /// Seconds from now, as likely less as more.
        in_s: u64,
        /// Nine times of ten it is more.
        earliest_s: u64,
        /// Nine times of ten it is less.
        latest_s: u64,
    },
    /// Its clients come back again and again.
    Endless,
}

/// What a deadline ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Live sessions: their clients moved.
    pub sessions: u64,
    /// Live connections: they broke.
    pub flows: u64,
}
