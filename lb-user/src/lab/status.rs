//! `limpet status --json`, as far as demo and tests look at it. Written against the documented form rather than the daemon's
//! own types, so that a change of the output shows.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole answer.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// Process id of the daemon.
    pub pid: u32,
    /// Where the packet program is attached.
    pub interfaces: Vec<Interface>,
    /// What it serves.
    pub services: Vec<Service>,
    /// Packets sent on since the maps were made, by reason.
    pub forwards: BTreeMap<String, u64>,
    /// Packets dropped, the same.
    pub drops: BTreeMap<String, u64>,
    /// What else was counted, by name.
    pub events: BTreeMap<String, u64>,
    /// The maps.
    pub tables: Vec<Table>,
}

/// A map.
#[derive(Debug, Clone, Deserialize)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Entries in use, where somebody counts them.
    pub used: Option<u64>,
}

/// An interface.
#[derive(Debug, Clone, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// `driver` or `generic`.
    pub mode: String,
}

/// A service.
#[derive(Debug, Clone, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its access list.
    pub access: Option<AccessFigures>,
    /// What became of its sessions' promises.
    pub promises: Promises,
    /// Its backends.
    pub backends: Vec<Backend>,
}

/// New connections of clients with a session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Promises {
    /// They went where they belong.
    pub kept: u64,
    /// They did not, by cause.
    pub broken: BTreeMap<String, u64>,
}

impl Promises {
    /// The causes that there were, and how often.
    #[must_use]
    pub fn causes(&self) -> BTreeMap<&str, u64> {
        self.broken.iter().filter(|(_, count)| **count > 0).map(|(cause, count)| (&**cause, *count)).collect()
    }
}

/// An access list in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct AccessFigures {
    /// Prefixes that are let in.
    pub allow: u64,
    /// Prefixes that are not.
    pub deny: u64,
    /// Whether the others are.
    pub others: bool,
}

/// A backend of a service.
#[derive(Debug, Clone, Deserialize)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// `up`, `down`, ...
    pub state: String,
    /// Its part of the clients not seen before.
    pub share: f64,
    /// Live sessions.
    pub sessions: u64,
    /// Live connections; of a service of HTTP open requests.
    pub flows: u64,
    /// Packets sent to it.
    pub packets: u64,
}

impl Status {
    /// A service by name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// Whether `backend` is in `state` in every service that has it, and some service does.
    #[must_use]
    pub fn everywhere(&self, backend: &str, state: &str) -> bool {
        let mut states = self
            .services
            .iter()
            .flat_map(|service| &service.backends)
            .filter(|candidate| candidate.name == backend)
            .map(|found| found.state.as_str())
            .peekable();
        states.peek().is_some() && states.all(|found| found == state)
    }

    /// Whether every backend of every service is in `state`.
    #[must_use]
    pub fn all(&self, state: &str) -> bool {
        self.services.iter().flat_map(|service| &service.backends).all(|backend| backend.state == state)
    }
}
