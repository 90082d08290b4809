//! What `status` says.

use std::{collections::BTreeMap, net::IpAddr};

use lb_common::reason::{Kind, Reason};
use serde::{Deserialize, Serialize};

use super::{Drain, Requests, Snapshot};
use crate::model::{self, PersistBy, Protocol, http::Method};

/// Everything there is to know of a running daemon.
///
/// All counts of packets, bytes and connections, and those by reason, go up from when the maps were made;
/// sessions, flows and table entries are those of this moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Of this document: [`Status::VERSION`].
    pub version: u32,
    /// Process id of the daemon.
    pub pid: u32,
    /// Seconds since the daemon started.
    pub uptime_s: u64,
    /// The configuration file, as `run` was told.
    pub config: String,
    /// Where the packet program is attached.
    pub interfaces: Vec<Interface>,
    /// In the order of the file.
    pub services: Vec<Service>,
    /// Packets dropped, by reason; every reason is there, see [`reasons`].
    pub drops: BTreeMap<String, u64>,
    /// Packets left to the kernel, by reason.
    pub passes: BTreeMap<String, u64>,
    /// Packets sent on, by direction.
    pub forwards: BTreeMap<String, u64>,
    /// What else happened, by name.
    pub events: BTreeMap<String, u64>,
    /// The maps whose filling matters.
    pub tables: Vec<Table>,
    /// Sessions on disk.
    #[serde(default)]
    pub snapshot: Snapshot,
}

impl Status {
    /// Goes up when a program that reads the document could no longer do so.
    pub const VERSION: u32 = 1;
}

/// The counters of one kind by name, those that are 0 too.
pub fn reasons(kind: Kind, count: impl Fn(Reason) -> u64) -> BTreeMap<String, u64> {
    let of_kind = Reason::ALL.iter().filter(|reason| reason.kind() == kind);
    of_kind.map(|&reason| (reason.name().to_owned(), count(reason))).collect()
}

/// An interface with the packet program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// The XDP hook in use.
    pub mode: Mode,
}

/// An XDP hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the driver, before a socket buffer exists.
    Driver,
    /// After the socket buffer was made: works everywhere, slow.
    Generic,
}

impl Mode {
    /// As in JSON and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Generic => "generic",
        }
    }
}

/// A service with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, unique.
    pub name: String,
    /// The virtual address.
    pub address: IpAddr,
    /// The virtual port, the first of several; 0: every port.
    pub port: u16,
    /// All of its ports; empty: every port.
    pub ports: Vec<u16>,
    /// Transport.
    pub protocol: Protocol,
    /// How packets reach a backend.
    pub forwarding: Forwarding,
    /// What identifies a client.
    pub persistence: Persistence,
    /// The group that it shares its sessions with; `None`: they are its own.
    pub group: Option<String>,
    /// Who may use it; `None`: everybody.
    pub access: Option<Access>,
    /// What became of its sessions' promises.
    pub promises: Promises,
    /// Of a service of HTTP: its requests, since the daemon started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Requests>,
    /// Live sessions.
    pub sessions: u64,
    /// Live flows; of a service of HTTP its open requests and upgraded connections.
    pub flows: u64,
    /// Packets from clients.
    pub packets: u64,
    /// Bytes in them; of a service of HTTP those of bodies.
    pub bytes: u64,
    /// Packets from backends; 0 where replies do not pass through the balancer.
    pub reply_packets: u64,
    /// Bytes in them.
    pub reply_bytes: u64,
    /// Connections begun; of a service of HTTP its requests.
    pub connections: u64,
    /// In the order of the file; backends that are no longer in it come last while they have flows or sessions.
    pub backends: Vec<Backend>,
    /// Names of backends that the configuration file has, and an operator has removed.
    #[serde(default)]
    pub removed: Vec<String>,
}

/// What became of promises, since the service was first configured: new connections of clients with a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Promises {
    /// They went where they belong.
    pub kept: u64,
    /// Broken, by cause, each once; every cause is there, see [`lb_common::state::Cause`].
    pub broken: BTreeMap<String, u64>,
}

/// An access list in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// Prefixes whose addresses may use the service.
    pub allow: u64,
    /// Prefixes whose addresses may not.
    pub deny: u64,
    /// Whether those may that no prefix covers.
    pub others: bool,
}

/// How packets reach a backend, as in the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Forwarding {
    /// Addresses are rewritten.
    Nat,
    /// MAC addresses are rewritten.
    Dsr,
    /// Packets go through a tunnel, IP in IP.
    Ipip,
    /// Packets go through a tunnel, in UDP.
    Gue,
    /// The daemon speaks to both sides.
    Proxy,
}

impl Forwarding {
    /// As in JSON and the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "nat",
            Self::Dsr => "dsr",
            Self::Ipip => "ipip",
            Self::Gue => "gue",
            Self::Proxy => "proxy",
        }
    }
}

impl From<model::Forwarding> for Forwarding {
    fn from(forwarding: model::Forwarding) -> Self {
        match forwarding {
            model::Forwarding::Nat { .. } => Self::Nat,
            model::Forwarding::Dsr => Self::Dsr,
            model::Forwarding::Ipip => Self::Ipip,
            model::Forwarding::Gue => Self::Gue,
            model::Forwarding::Proxy => Self::Proxy,
        }
    }
}

/// What identifies a client, as in the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persistence {
    /// Nothing beyond the connection.
    Connection,
    /// Its address, or a prefix of it.
    ClientIp,
    /// The connection, by its QUIC connection id.
    QuicCid,
    /// A cookie.
    Cookie,
    /// A header field.
    Header,
    /// A parameter of the query.
    Query,
    /// The begin of the path.
    Path,
}

impl Persistence {
    /// As in JSON and the configuration file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::ClientIp => "client-ip",
            Self::QuicCid => "quic-cid",
            Self::Cookie => "cookie",
            Self::Header => "header",
            Self::Query => "query",
            Self::Path => "path",
        }
    }
}

impl From<&PersistBy> for Persistence {
    fn from(by: &PersistBy) -> Self {
        match by {
            PersistBy::Connection => Self::Connection,
            PersistBy::ClientIp { .. } => Self::ClientIp,
            PersistBy::QuicCid(_) => Self::QuicCid,
            PersistBy::Request(request) => request.methods.first().map_or(Self::Connection, Self::from),
        }
    }
}

impl From<&Method> for Persistence {
    fn from(method: &Method) -> Self {
        match method {
            Method::Insert(_) | Method::Prefix { .. } | Method::Learn { .. } => Self::Cookie,
            Method::Header(_) => Self::Header,
            Method::Query(_) => Self::Query,
            Method::Path(_) => Self::Path,
            Method::ClientIp => Self::ClientIp,
        }
    }
}

/// A backend with its figures, which mean the same as those of its [`Service`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// Its name, unique in the service unless one of that name has left the file and still has flows.
    pub name: String,
    /// The server's address.
    pub address: IpAddr,
    /// The server's port; 0: the one that the client called.
    pub port: u16,
    /// What it may be given.
    pub state: BackendState,
    /// The last health result in words.
    pub reason: Option<String>,
    /// Its weight in force.
    pub weight: u32,
    /// What of it is not as the configuration file says; `None`: nothing.
    #[serde(default)]
    pub runtime: Option<RuntimeChange>,
    /// How far its drain is; `None`: it is not being drained, and was not until its deadline.
    #[serde(default)]
    pub drain: Option<Drain>,
    /// Its part of the service's slots, and so of the clients not seen before: 0 to 1, never NaN.
    pub share: f64,
    /// Live sessions.
    pub sessions: u64,
    /// Live flows.
    pub flows: u64,
    /// Packets sent to it.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Packets from it.
    pub reply_packets: u64,
    /// Bytes in them.
    pub reply_bytes: u64,
    /// Connections begun.
    pub connections: u64,
    /// Where its packets are sent; `None` while unknown: they are dropped.
    pub next_hop: Option<NextHop>,
}

/// What an operator changed about a backend while the daemon ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeChange {
    /// [`BackendState::Draining`] or [`BackendState::Disabled`], whatever its health.
    pub state: Option<BackendState>,
    /// Seconds until a drain's deadline.
    pub deadline_left_s: Option<u64>,
    /// The weight that the file says, where it is another.
    pub file_weight: Option<u32>,
    /// The configuration file does not have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub added: bool,
}

/// What a backend may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendState {
    /// Everything.
    Up,
    /// What is already its own.
    Draining,
    /// Nothing, as an operator wants it.
    Disabled,
    /// Nothing: it fails its health check.
    Down,
    /// Nothing: it is no longer configured.
    Absent,
}

impl BackendState {
    /// As in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Disabled => "disabled",
            Self::Down => "down",
            Self::Absent => "absent",
        }
    }
}

/// The next hop towards a backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// Name of the interface.
    pub interface: String,
    /// Its index.
    pub ifindex: u32,
    /// Ethernet address of the neighbour, `02:00:00:00:00:01`.
    pub mac: String,
}

/// A map and how full it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name, such as `FLOWS`.
    pub name: String,
    /// Entries in use; `None` where nobody counts them.
    pub used: Option<u64>,
    /// Entries it has room for.
    pub capacity: u64,
    /// Memory it takes, in bytes.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::to_value;

    use super::*;
    use crate::api::Why;

    /// `name` and serde say the same; both are promises.
    #[test]
    fn names_are_those_of_json() {
        for mode in [Mode::Driver, Mode::Generic] {
            assert_eq!(to_value(mode).unwrap(), mode.name());
        }
        for forwarding in [Forwarding::Nat, Forwarding::Dsr, Forwarding::Ipip, Forwarding::Gue] {
            assert_eq!(to_value(forwarding).unwrap(), forwarding.name());
        }
        for persistence in [Persistence::Connection, Persistence::ClientIp] {
            assert_eq!(to_value(persistence).unwrap(), persistence.name());
        }
        for state in [
            BackendState::Up,
            BackendState::Draining,
            BackendState::Disabled,
            BackendState::Down,
            BackendState::Absent,
        ] {
            assert_eq!(to_value(state).unwrap(), state.name());
        }
        for why in [Why::Flow, Why::Session, Why::Hash, Why::None] {
            assert_eq!(to_value(why).unwrap(), why.name());
        }
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            assert_eq!(to_value(protocol).unwrap(), protocol.to_string());
        }
    }

    #[test]
    fn every_reason_is_in_one_group() {
        let groups = [Kind::Pass, Kind::Forward, Kind::Drop, Kind::Event].map(|kind| reasons(kind, |_| 0));
        assert_eq!(groups.iter().map(BTreeMap::len).sum::<usize>(), Reason::COUNT);
        let drops = reasons(Kind::Drop, |reason| u64::from(reason == Reason::NoBackend));
        assert_eq!((drops["no_backend"], drops["malformed"]), (1, 0));
    }
}
