//! What a configuration file would change.

use std::{collections::BTreeMap, path::PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What to compare what runs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanQuery {
    /// Absolute path of the file, read by the daemon.
    pub config: PathBuf,
}

/// What a reload of a file would change. Nothing has been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// One sentence a change, as a reload would give them.
    pub changes: Vec<String>,
    /// What becomes of sessions.
    pub sessions: SessionForecast,
    /// Every backend that is there now or would be.
    pub backends: Vec<BackendForecast>,
}

/// What becomes of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionForecast {
    /// Live ones.
    pub total: u64,
    /// Those whose client would get another backend at its next connection.
    pub moved: u64,
    /// The same by cause: `backend_removed`, `backend_replaced`, `service_removed`, `persistence`, `timeout`.
    pub by_reason: BTreeMap<String, u64>,
    /// Of these clients the ones that made most connections, 10 at most, the largest first.
    #[serde(default)]
    pub biggest: Vec<MovedClient>,
}

/// A client that would get another backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedClient {
    /// The service; of a group, its first.
    pub service: String,
    /// The client: its address, or the prefix that it is known by.
    pub client: IpNet,
    /// Connections made under its session.
    pub connections: u64,
    /// Its backend.
    pub from: String,
    /// The one that it would get; `None` where the file tells clients by something else.
    pub to: Option<String>,
    /// Why, as in [`by_reason`](SessionForecast::by_reason).
    pub reason: String,
}

/// Sessions of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendForecast {
    /// The service.
    pub service: String,
    /// The backend.
    pub backend: String,
    /// Live ones now.
    pub before: u64,
    /// The same clients' once each has come back.
    pub after: u64,
}
