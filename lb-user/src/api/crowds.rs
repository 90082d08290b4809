//! Clients that carry much of a service.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Which clients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CrowdQuery {
    /// Of this service; `None`: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// With at least so many per cent of a service's connections, 0 to 100.
    pub share: f64,
}

/// Clients that carry more than a given share, the largest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Crowds {
    /// The clients.
    pub crowds: Vec<Crowd>,
}

impl Crowds {
    /// Clients in a report at most.
    pub const MOST: usize = 1_000;
}

/// A client that carries much of its service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crowd {
    /// The service; of a group, its first.
    pub service: String,
    /// The client: its address, or the prefix that it is known by.
    pub client: IpNet,
    /// Its backend; `None` if that is gone.
    pub backend: Option<String>,
    /// Connections made under its session.
    pub connections: u64,
    /// Their part of all connections under sessions of the service, in per cent.
    pub share: f64,
}
