//! Configuration files for labs: the documented keys as plain data, written as TOML.
//!
//! A client of the file format, so it is typed apart from the parser: a key that changes its name shows.

mod http;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use serde::Serialize;

pub use self::http::{Certificate, Cookie, Http};
use super::{Family, backend_name, plan};

/// A whole file. `Display` writes it.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// `[interface]`.
    pub interface: Interface,
    /// `[nat]`, where it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<Nat>,
    /// `[tunnel]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
    /// `[http]`, where it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Page>,
    /// `[hash]`, where it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<Hash>,
    /// `[sessions]`, where it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
    /// `[limits]`, where it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// `[[service]]`, in order.
    pub service: Vec<Service>,
}

/// `[interface]`.
#[derive(Debug, Clone, Serialize)]
pub struct Interface {
    /// Where to attach.
    pub names: Vec<String>,
    /// `auto`, `driver` or `generic`.
    pub mode: &'static str,
    /// Does the host take the services' addresses?
    pub claim: bool,
}

/// `[nat]`.
#[derive(Debug, Clone, Serialize)]
pub struct Nat {
    /// Our addresses towards the backends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<IpAddr>,
    /// First and last source port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<&'static str>,
}

/// `[tunnel]`.
#[derive(Debug, Clone, Serialize)]
pub struct Tunnel {
    /// UDP port of GUE.
    pub gue_port: u16,
    /// Bytes of the largest outer packet.
    pub mtu: u16,
}

/// `[http]`.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// Where figures are served.
    pub listen: SocketAddr,
}

/// `[hash]`.
#[derive(Debug, Clone, Serialize)]
pub struct Hash {
    /// Keys every hash: with the same one, the same clients get the same backends.
    pub secret: &'static str,
}

/// `[sessions]`.
#[derive(Debug, Clone, Serialize)]
pub struct Sessions {
    /// Between two snapshots.
    pub snapshot_interval: &'static str,
}

/// `[limits]`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Limits {
    /// Connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flows: Option<u32>,
    /// Sessions of clients that have shown nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<u32>,
    /// Sessions of proven clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins: Option<u32>,
    /// Services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<u32>,
    /// Backends of all services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backends: Option<u32>,
    /// Slots of all services, twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Connections with a rewritten source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat_connections: Option<u32>,
    /// Sessions that each CPU stores in a second for clients that have shown nothing yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_pins_per_second: Option<u32>,
}

/// `[[service]]`.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// Unique name.
    pub name: String,
    /// Virtual address.
    pub address: IpAddr,
    /// Virtual port or ports.
    #[serde(flatten)]
    pub ports: Ports,
    /// `tcp`, `udp` or `http`.
    pub protocol: &'static str,
    /// `nat`, `dsr`, `ipip` or `gue`; of no service of HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<&'static str>,
    /// For `nat`: leave the client's address in place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preserve_client: bool,
    /// `hash` or `least-sessions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<&'static str>,
    /// Per cent of its fair share that a backend may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_load: Option<u32>,
    /// How long a backend that came up has less than its share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<&'static str>,
    /// Size of its hash table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// `[service.persistence]`.
    pub persistence: Persistence,
    /// `[service.http]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// `[service.access]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// `[service.health]`.
    pub health: Health,
    /// `[[service.backend]]`.
    pub backend: Vec<Backend>,
}

/// `port` or `ports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ports {
    /// `port = 80`.
    Port(u16),
    /// `ports = [80, 443]`.
    Ports(Vec<u16>),
    /// `port = "any"`.
    #[serde(rename = "port")]
    All(&'static str),
}

/// `[service.persistence]`.
#[derive(Debug, Clone, Serialize)]
pub struct Persistence {
    /// What clients are known by.
    pub by: By,
    /// For `by = "header"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<&'static str>,
    /// For `by = "query"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<&'static str>,
    /// For `by = "path"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_segments: Option<u8>,
    /// How long a session lasts without traffic, such as `20s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<&'static str>,
    /// How long it lasts at most, such as `8h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<&'static str>,
    /// The services that share its sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'static str>,
    /// `repin`, `lend`, `refuse` or `hold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_down: Option<&'static str>,
    /// How long `on_down = "hold"` waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<&'static str>,
    /// `keep` or `move`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_drain: Option<&'static str>,
    /// `hash` or `refuse`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_full: Option<&'static str>,
    /// How long a drain lasts for which nobody says it, such as `2h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_deadline: Option<&'static str>,
    /// `[service.persistence.cookie]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Cookie>,
    /// `[[service.persistence.mask]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<Mask>,
    /// `[[service.persistence.quic]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quic: Vec<Quic>,
}

/// `by`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum By {
    /// `by = "client-ip"`.
    One(&'static str),
    /// `by = ["cookie", "client-ip"]`, of services of HTTP.
    List(Vec<&'static str>),
}

/// `[[service.persistence.mask]]`.
#[derive(Debug, Clone, Serialize)]
pub struct Mask {
    /// Whom it is for.
    pub prefix: &'static str,
    /// Bits of their addresses that count.
    pub bits: u8,
}

/// `[[service.persistence.quic]]`.
#[derive(Debug, Clone, Serialize)]
pub struct Quic {
    /// 0 to 6.
    pub config: u8,
    /// Octets.
    pub server_id_length: usize,
    /// Octets.
    pub nonce_length: usize,
    /// In hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Persistence {
    /// By something that needs no further settings.
    #[must_use]
    pub const fn by(by: &'static str) -> Self {
        Self {
            by: By::One(by),
            header: None,
            query: None,
            path_segments: None,
            idle_timeout: None,
            max_lifetime: None,
            group: None,
            on_down: None,
            hold: None,
            on_drain: None,
            on_full: None,
            drain_deadline: None,
            cookie: None,
            mask: Vec::new(),
            quic: Vec::new(),
        }
    }
}

/// `[service.access]`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Access {
    /// Prefixes.
    pub allow: Vec<String>,
    /// File of more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_file: Option<String>,
    /// Prefixes.
    pub deny: Vec<String>,
    /// File of more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_file: Option<String>,
}

/// `[service.health]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Health {
    /// Always up.
    None,
    /// A handshake.
    Tcp {
        /// Where it knocks; `None`: where the backend listens.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// Between probes.
        interval: &'static str,
        /// For each probe.
        timeout: &'static str,
        /// Passes that bring a backend up.
        rise: u32,
        /// Failures that take it down.
        fall: u32,
    },
    /// `GET path`.
    Http {
        /// Absolute path.
        path: &'static str,
        /// Between probes.
        interval: &'static str,
        /// For each probe.
        timeout: &'static str,
        /// Passes that bring a backend up.
        rise: u32,
        /// Failures that take it down.
        fall: u32,
    },
}

/// `[[service.backend]]`.
#[derive(Debug, Clone, Serialize)]
pub struct Backend {
    /// Unique in its service.
    pub name: String,
    /// Where it is.
    pub address: IpAddr,
    /// Where it listens; `None`: where the client called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Its share.
    pub weight: u32,
    /// In hexadecimal digits, for `by = "quic-cid"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
}

/// Probes five times a second; a dead backend is found out within half a second.
pub const QUICK_HTTP: Health =
    Health::Http { path: "/", interval: "200ms", timeout: "100ms", rise: 1, fall: 2 };

impl Config {
    /// For the balancer of a lab.
    #[must_use]
    pub fn new(service: Vec<Service>) -> Self {
        let interface = Interface { names: vec!["eth0".to_owned()], mode: "auto", claim: true };
        Self {
            interface,
            nat: None,
            tunnel: None,
            http: None,
            hash: None,
            sessions: None,
            limits: None,
            service,
        }
    }
}

impl Service {
    /// A TCP service at `address` with the first `backends` backends of the lab, all of weight 100 and listening on
    /// `port`. Clients stick by their address; nobody's health is looked at.
    #[must_use]
    pub fn new(name: &str, forwarding: &'static str, address: SocketAddr, backends: u8, port: u16) -> Self {
        let family = if address.is_ipv4() { Family::V4 } else { Family::V6 };
        Self {
            name: name.to_owned(),
            address: address.ip(),
            ports: Ports::Port(address.port()),
            protocol: "tcp",
            forwarding: Some(forwarding),
            preserve_client: false,
            scheduler: None,
            max_load: None,
            slow_start: None,
            slots: None,
            persistence: Persistence::by("client-ip"),
            http: None,
            access: None,
            health: Health::None,
            backend: (0..backends).map(|index| Backend::new(family, index, port)).collect(),
        }
    }

    /// The same with HTTP, its clients known by Limpet's cookie.
    #[must_use]
    pub fn http(name: &str, address: SocketAddr, backends: u8, port: u16) -> Self {
        Self {
            protocol: "http",
            forwarding: None,
            persistence: Persistence::by("cookie"),
            ..Self::new(name, "nat", address, backends, port)
        }
    }
}

impl Backend {
    /// Backend `index` of the lab, with weight 100.
    #[must_use]
    pub fn new(family: Family, index: u8, port: u16) -> Self {
        Self {
            name: backend_name(index),
            address: plan::backend(family, index),
            port: Some(port),
            weight: 100,
            server_id: None,
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(self).expect("tables come after values, and all keys are strings"))
    }
}

#[cfg(test)]
mod tests;
