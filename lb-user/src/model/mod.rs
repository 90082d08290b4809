//! What the configuration means once every rule has been checked: the desired state of the balancer.
//!
//! `config` parses text, this module validates it (all errors at once), `plan` compares it with what
//! runs. A value of these types is always consistent; nothing below re-checks it.

mod access;
mod by;
mod group;
pub mod http;
mod limits;
mod masks;
mod nat;
mod policy;
mod ports;
mod quic;
mod rules;
mod service;
mod tunnel;
mod validate;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use lb_common::quic::scheme::Scheme;
use serde::{Deserialize, Serialize};

pub use self::ports::Ports;
pub(crate) use self::validate::validate;
use crate::{access::AccessList, config::defaults};

/// The whole desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Where the packet program attaches.
    pub interface: Interface,
    /// Source addresses and ports for services that rewrite the source.
    pub nat: Nat,
    /// Outer headers for services with tunnels.
    pub tunnel: Tunnel,
    /// Address of the metrics page; `None` is off.
    pub http: Option<SocketAddr>,
    /// Secret that keys every hash; the same on each node. `None`: random, kept while the maps live.
    pub secret: Option<String>,
    /// How often sessions are written to disk; `None`: never.
    pub snapshot_interval: Option<Duration>,
    /// Map sizes.
    pub limits: Limits,
    /// Services in file order; names are unique, and no two share an address, port and protocol.
    pub services: Vec<Service>,
}

/// Where the packet program attaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// At least one name; none only where the file has no services and no `[interface]`.
    pub names: Vec<String>,
    /// Which XDP hook to use.
    pub mode: AttachMode,
    /// Add each service address to the first interface, and announce it.
    pub claim: bool,
}

/// Which XDP hook to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AttachMode {
    /// Driver where the driver supports it, else generic; says which.
    Auto,
    /// In the driver, before a socket buffer exists.
    Driver,
    /// After the socket buffer was made: works everywhere, slow.
    Generic,
}

/// Source addresses and ports of rewritten connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nat {
    /// Empty: the first interface's own addresses, one for each family.
    pub source: Vec<IpAddr>,
    /// First and last port, inclusive; outside the kernel's own `ip_local_port_range`.
    pub ports: (u16, u16),
}

/// Outer headers of tunnels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// At most one of each family; a prefix stands for all addresses in it. For a family without one: the
    /// first interface's own address.
    pub source: Vec<IpNet>,
    /// UDP port of GUE, never 0.
    pub gue_port: u16,
    /// The largest outer packet, in bytes: at least 1328.
    pub mtu: u16,
}

/// Map sizes, in entries, and how fast strangers may fill them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections remembered (`FLOWS`), rounded up to a power of two of 4-way buckets.
    pub flows: u32,
    /// Sessions of clients not yet proven (`AFFINITY`).
    pub affinity: u32,
    /// Sessions of proven clients (`PINS`).
    pub pins: u32,
    /// Services (`SERVICES`).
    pub services: u32,
    /// Prefixes of all access lists together (`ACCESS`), those of a list that several services have once.
    pub access: u32,
    /// Backends of all services together (`BACKENDS`, `HEALTH`).
    pub backends: u32,
    /// Slots of all services together (`SLOTS`), both the live and the spare ranges.
    pub slots: u32,
    /// Source-rewritten connections at once (`BINDINGS`, `PORTS`), rounded up to whole port ranges.
    pub nat_connections: u32,
    /// Fragmented packets under way at once (`FRAGMENTS`), rounded up to a power of two of buckets.
    pub fragments: u32,
    /// New connections that each CPU stores in a second.
    pub new_flows_per_second: u32,
    /// Sessions that each CPU moves to `PINS` in a second for clients that can't be verified.
    pub new_pins_per_second: u32,
}

/// One virtual address and protocol, with one port or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Unique, stable name.
    pub name: String,
    /// The virtual address.
    pub address: IpAddr,
    /// The virtual ports.
    pub ports: Ports,
    /// Transport.
    pub protocol: Protocol,
    /// How packets reach a backend.
    pub forwarding: Forwarding,
    /// How requests are served; of services of HTTP, and of no others.
    pub http: Option<Arc<http::Http>>,
    /// What keeps a client on its backend.
    pub persistence: Persistence,
    /// Who may use it; `None`: everybody.
    pub access: Option<Arc<AccessList>>,
    /// How backends are probed.
    pub health: Health,
    /// Slots in the service's table: a power of two.
    pub slots: u32,
    /// How a client without a session gets a backend.
    pub scheduler: Scheduler,
    /// In per cent of its fair share: a backend with more sessions gets no new clients. Above 100.
    pub max_load: Option<u32>,
    /// For this long after it came up, a backend's share of new clients grows to its weight.
    pub slow_start: Option<Duration>,
    /// At least one; names unique in the service.
    pub backends: Vec<Backend>,
}

/// How a client without a session gets a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheduler {
    /// By its slot.
    Hash,
    /// By its slot or another one: whichever backend has fewer sessions for its weight.
    LeastSessions,
}

/// Transport protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// HTTP over TCP: the daemon itself serves.
    Http,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Http => "http",
        })
    }
}

/// How packets reach a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// Rewrite the destination; the source too unless `preserve_client`.
    Nat {
        /// Leave the client's address in place (backends route replies through the balancer).
        preserve_client: bool,
    },
    /// Rewrite only the MAC addresses; the backend answers the client directly.
    Dsr,
    /// Wrap packets in packets to the backend, which answers the client directly.
    Ipip,
    /// The same, with a UDP header in between.
    Gue,
    /// Not at all: the daemon speaks to the client and to the backend.
    Proxy,
}

impl Forwarding {
    /// True if packets go through a tunnel.
    pub const fn is_tunnel(self) -> bool {
        matches!(self, Self::Ipip | Self::Gue)
    }

    /// True if nobody rewrites addresses and ports, and the backend answers the client directly.
    pub const fn is_direct(self) -> bool {
        matches!(self, Self::Dsr | Self::Ipip | Self::Gue)
    }
}

/// What keeps a client on its backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persistence {
    /// What identifies a client.
    pub by: PersistBy,
    /// A session without traffic for this long is forgotten. Slides with traffic.
    pub idle_timeout: Duration,
    /// A session older than this is chosen anew at its next connection. `None`: no bound.
    pub max_lifetime: Option<Duration>,
    /// The group whose services share sessions; `None`: the service has its own.
    pub group: Option<String>,
    /// What becomes of a session whose backend is down.
    pub on_down: OnDown,
    /// What becomes of a session whose backend drains.
    pub on_drain: OnDrain,
    /// How long a drain lasts for which nobody says it.
    pub drain_deadline: Option<Duration>,
    /// What becomes of a new client while no session can be stored.
    pub on_full: OnFull,
    /// Clients that are identified by another number of bits: prefixes and bits, in the order of prefixes.
    pub masks: Vec<(IpNet, u8)>,
}

impl Persistence {
    /// With the defaults of everything else.
    pub const fn new(by: PersistBy) -> Self {
        Self {
            by,
            idle_timeout: defaults::IDLE_TIMEOUT,
            max_lifetime: None,
            group: None,
            on_down: OnDown::Repin,
            on_drain: defaults::ON_DRAIN,
            drain_deadline: None,
            on_full: defaults::ON_FULL,
            masks: Vec::new(),
        }
    }

    /// The client behind a session's address: itself, or the prefix that it is known by. `None` where nobody is known
    /// by an address.
    pub fn known_as(&self, address: IpAddr) -> Option<IpNet> {
        if http::is_digest(address) {
            return Some(address.into());
        }
        let own = self.masks.iter().filter(|(prefix, _)| prefix.contains(&address));
        let own = own.max_by_key(|(prefix, _)| prefix.prefix_len()).map(|(_, bits)| *bits);
        let bits = match (own, &self.by) {
            (Some(bits), _) => bits,
            (None, PersistBy::ClientIp { prefix_v4, .. }) if address.is_ipv4() => *prefix_v4,
            (None, PersistBy::ClientIp { prefix_v6, .. }) => *prefix_v6,
            (None, PersistBy::Request(request)) if address.is_ipv4() => request.prefix_v4,
            (None, PersistBy::Request(request)) => request.prefix_v6,
            (None, PersistBy::Connection | PersistBy::QuicCid(_)) => return None,
        };
        IpNet::new(address, bits).ok()
    }
}

/// What becomes of a session whose backend is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    /// It moves for good.
    Repin,
    /// Another backend serves until its own is back.
    Lend,
    /// Its client is refused until its own is back.
    Refuse,
    /// Its client is refused for this long; then it moves for good.
    Hold(Duration),
}

/// What becomes of a session whose backend drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDrain {
    /// It stays until it ends.
    Keep,
    /// It moves with its client's next connection.
    Move,
}

/// What becomes of a new client while no session can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFull {
    /// It is served by hash.
    Hash,
    /// It is refused.
    Refuse,
}

/// What identifies a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersistBy {
    /// Nothing beyond the connection itself.
    Connection,
    /// The client's address, cut to a prefix of these lengths (bits).
    ClientIp {
        /// 1..=32.
        prefix_v4: u8,
        /// 1..=128.
        prefix_v6: u8,
    },
    /// Nothing beyond the connection itself, which its id tells even when its addresses change.
    QuicCid(
        /// At least one; no two with the same rotation bits, all with server ids of one length.
        Vec<Scheme>,
    ),
    /// What requests carry; for services of HTTP, whatever they say.
    Request(http::Request),
}

/// How backends are probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The probe itself.
    pub check: Check,
    /// Where it knocks; `None`: the backend's port, else the service's first.
    pub port: Option<u16>,
    /// Between the starts of two probes.
    pub interval: Duration,
    /// A probe that takes longer has failed. Not above `interval`.
    pub timeout: Duration,
    /// Consecutive passes that bring a backend up.
    pub rise: u32,
    /// Consecutive failures that take a backend down.
    pub fall: u32,
}

/// The probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// Always up.
    None,
    /// The TCP handshake completes.
    Tcp,
    /// `GET path` answers 2xx or 3xx.
    Http {
        /// Absolute path.
        path: String,
    },
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Unique in its service; identity, together with the address and port.
    pub name: String,
    /// Same family as the service; in a tunnel perhaps IPv6, of a service of HTTP either.
    pub address: IpAddr,
    /// Never 0; `None`: the port that the client called. A service of one port has it here by default.
    pub port: Option<u16>,
    /// Relative share of new clients, 1..=65535.
    pub weight: u32,
    /// What its connection ids carry; of the length that the service says, unique in it. Empty unless
    /// [`PersistBy::QuicCid`].
    pub server_id: Vec<u8>,
}
