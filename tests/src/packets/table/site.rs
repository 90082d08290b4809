//! A service with two backends, its clients, and what their packets look like on either side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_common::{
    net::{Be16, Ip, Mac, protocol},
    state::{Backend, BackendId, Forwarding, Health, PersistBy, Service, ServiceKey},
};

use super::{Conn, Side, World, quic, tunnel};

/// Ethernet addresses.
pub mod mac {
    /// The router that clients are behind.
    pub const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 0x01];
    /// The balancer's, outside.
    pub const OURS: [u8; 6] = [2, 0, 0, 0, 0, 0x02];
    /// The balancer's, towards the backends.
    pub const OURS_OUT: [u8; 6] = [2, 0, 0, 0, 0, 0x03];
    /// Backend A's.
    pub const A: [u8; 6] = [2, 0, 0, 0, 0xff, 0x0a];
    /// Backend B's.
    pub const B: [u8; 6] = [2, 0, 0, 0, 0xff, 0x0b];
}

/// One of a site's two backends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// The one that owns all slots at first; outside, so that its packets leave as they came.
    A,
    /// The other; inside.
    B,
}

/// See [`Which::A`].
pub const A: Which = Which::A;
/// See [`Which::B`].
pub const B: Which = Which::B;

impl Which {
    /// Where it is.
    pub const fn side(self) -> Side {
        match self {
            Self::A => Side::Outside,
            Self::B => Side::Inside,
        }
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    const fn ip(self, [a, b, c, d]: [u8; 4], v6: u16) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, v6 >> 8, 0, 0, 0, 0, v6 & 0xff)),
        }
    }

    /// As in the ids of docs/packets.md: `v4` or `v6`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }
}

/// Which ports a service has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ports {
    /// One.
    One,
    /// [`LIST`], and backends that listen on the same.
    List,
    /// [`LIST`], and backends that listen on one of their own.
    ListToOne,
    /// All, and backends that listen on the same.
    Any,
}

/// The ports of services that have several.
pub const LIST: [u16; 3] = [80, 443, 8443];

impl Ports {
    /// Port numbers of the service's entries; `only` is that of a service of one port.
    pub fn numbers(self, only: u16) -> Vec<u16> {
        match self {
            Self::One => vec![only],
            Self::List | Self::ListToOne => LIST.to_vec(),
            Self::Any => vec![0],
        }
    }
}

/// A service and how it is configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Site {
    /// Tells two sites of a row apart: 0 or 1.
    pub number: u8,
    /// Of all addresses but perhaps the backends'.
    pub family: Family,
    /// Of the backends' addresses.
    pub outer: Family,
    /// The service's.
    pub udp: bool,
    /// How packets reach the backends.
    pub forwarding: Forwarding,
    /// Bits of a client's address that count; `None`: by connection.
    pub prefix: Option<u8>,
    /// Connection ids say where a packet goes.
    pub by_connection_id: bool,
    /// Sessions end after this many idle ticks.
    pub idle_ticks: u32,
    /// Sessions end after this many ticks; 0: never.
    pub lifetime_ticks: u32,
    /// Sessions' scope.
    pub scope: u64,
    /// The service's port, or the one of its ports that a connection calls.
    pub port: u16,
    /// Number of its access list; 0: none.
    pub access: u32,
    /// Which ports it has.
    pub ports: Ports,
    /// At the address of site 0, whatever its number.
    pub at_first: bool,
    /// Is it the only one of its address and protocol? Then fragments may find it that have no port.
    pub only: bool,
    /// Are pings of its address answered here?
    pub echo: bool,
}

impl Site {
    /// A service that persists by whole client addresses.
    pub const fn new(family: Family, udp: bool, forwarding: Forwarding) -> Self {
        let prefix = Some(if let Family::V4 = family { 32 } else { 128 });
        Self {
            number: 0,
            family,
            outer: family,
            udp,
            forwarding,
            prefix,
            by_connection_id: false,
            idle_ticks: 1700,
            lifetime_ticks: 0,
            scope: 0x5c0e,
            port: 80,
            access: 0,
            ports: Ports::One,
            at_first: false,
            only: false,
            echo: false,
        }
    }

    /// What most rows use.
    pub const WEB: Self = Self::new(Family::V4, false, Forwarding::Nat);

    /// Its short name.
    pub fn name(&self) -> String {
        let family = self.family.name();
        let transport = if self.udp { "udp" } else { "tcp" };
        let forwarding = match self.forwarding {
            Forwarding::Nat => "nat",
            Forwarding::NatPreserve => "nat keeping clients",
            Forwarding::Dsr => "dsr",
            Forwarding::Ipip => "ipip",
            Forwarding::Gue => "gue",
        };
        if self.outer != self.family {
            return format!("{family} {transport} {forwarding} in v6");
        }
        format!("{family} {transport} {forwarding}")
    }

    /// The row of docs/packets.md on what comes to it, as `v4-tcp-nat`.
    pub fn row(&self) -> String {
        let forwarding = match self.forwarding {
            Forwarding::Nat => "nat",
            Forwarding::NatPreserve => "preserve",
            Forwarding::Dsr => "dsr",
            Forwarding::Ipip => "ipip",
            Forwarding::Gue => "gue",
        };
        format!("{}-{forwarding}", self.kind())
    }

    /// The row of docs/packets.md on what its backends answer.
    pub fn reply_row(&self) -> String {
        match self.forwarding {
            mode if mode.is_direct() => "direct-reply".to_owned(),
            _ => format!("{}-reply", self.kind()),
        }
    }

    fn kind(&self) -> String {
        format!("{}-{}", self.family.name(), if self.udp { "udp" } else { "tcp" })
    }

    fn ip(&self, v4: [u8; 4], v6: u16) -> IpAddr {
        self.family.ip(v4, v6)
    }

    /// The virtual address.
    pub fn address(&self) -> IpAddr {
        let number = if self.at_first { 0 } else { self.number };
        self.ip([192, 0, 2, 10 + number], 0x0510 + u16::from(number))
    }

    /// The balancer's own address.
    pub fn source(&self) -> IpAddr {
        self.ip([10, 0, 0, 2], 0x0b02)
    }

    /// A backend's address and port.
    pub fn server(&self, which: Which) -> (IpAddr, u16) {
        let last = 11 + self.number * 2 + which as u8;
        let port = match self.ports {
            Ports::One | Ports::ListToOne if !self.forwarding.is_direct() => 8080 + which as u16,
            _ => self.port,
        };
        (self.outer.ip([10, 0, 0, last], 0x0b00 + u16::from(last)), port)
    }

    /// A backend's id.
    pub const fn id(&self, which: Which) -> BackendId {
        BackendId(1 + self.number as u32 * 2 + which as u32)
    }

    /// Where its two slots are.
    pub const fn slots_base(&self) -> u32 {
        self.number as u32 * 2
    }

    /// Its key.
    pub fn key(&self) -> ServiceKey {
        let number = if self.udp { protocol::UDP } else { protocol::TCP };
        ServiceKey::new(self.address().into(), Be16::new(self.port), number)
    }

    /// A backend's entry, of the world's generation.
    pub fn recipe(&self, world: &dyn World, which: Which) -> Backend {
        let (address, port) = self.server(which);
        let (source_first, source_count) = match (self.forwarding, self.family) {
            (Forwarding::Nat, Family::V4) => (0, 1),
            (Forwarding::Nat, Family::V6) => (1, 1),
            _ => (0, 0),
        };
        Backend {
            address: address.into(),
            service_address: self.address().into(),
            target_mac: Mac::from_bytes(if which == A { mac::A } else { mac::B }),
            source_mac: Mac::from_bytes(mac::OURS_OUT),
            generation: world.generation(),
            ifindex: world.ifindex(which.side()),
            port: Be16::new(if self.keeps_port() { 0 } else { port }),
            service_tag: self.tag(),
            forwarding: self.forwarding as u8
                | if self.by_connection_id { Backend::BY_CONNECTION_ID } else { 0 },
            source_first,
            source_count,
            protocol: self.key().protocol(),
        }
    }

    const fn tag(&self) -> u16 {
        0x7a60 + self.number as u16
    }

    /// Does a backend listen on the port that was called?
    fn keeps_port(&self) -> bool {
        match self.ports {
            Ports::One => self.forwarding.is_direct(),
            Ports::ListToOne => false,
            Ports::List | Ports::Any => true,
        }
    }

    /// Its entry for one port.
    pub fn entry(&self) -> Service {
        Service {
            scope: self.scope,
            client_mask: Ip::prefix_mask(self.address(), self.prefix.unwrap_or(0)),
            slots_base: self.slots_base(),
            slots_mask: 1,
            idle_ticks: self.idle_ticks,
            lifetime_ticks: self.lifetime_ticks,
            persist_by: if self.prefix.is_some() { PersistBy::ClientIp } else { PersistBy::Connection }
                as u32,
            access: self.access,
            quic: if self.by_connection_id { self.quic_number() } else { 0 },
            port: Be16::new(self.port),
            tag: self.tag(),
            flags: 0,
            reserved: 0,
        }
    }

    /// The number of its connection-id settings.
    pub const fn quic_number(&self) -> u32 {
        1 + self.number as u32
    }

    /// Puts it in place.
    pub fn install(&self, world: &mut dyn World) {
        let v4 = Self { family: Family::V4, ..*self }.source();
        let v6 = Self { family: Family::V6, ..*self }.source();
        world.set_sources(&[v4.into(), v6.into()]);
        world.set_tunnels(&tunnel::tunnels(tunnel::MTU));
        for which in [A, B] {
            let recipe = self.recipe(world, which);
            world.set_backend(self.id(which), &recipe);
            world.set_health(self.id(which), Health::Up);
        }
        world.set_slots(self.slots_base(), &[self.id(A).0; 2]);
        if self.by_connection_id {
            quic::install(world, *self);
        }
        self.open(world);
        let flags = if self.echo { Service::ECHO } else { 0 };
        let mark = Service { flags, ..Service::default() };
        world.set_service(&ServiceKey::any_port(self.address().into()), &mark);
    }

    /// Puts its entries in place, which all say the same but for the port.
    pub fn open(&self, world: &mut dyn World) {
        for (key, entry) in self.entries() {
            world.set_service(&key, &entry);
        }
    }

    /// Takes its entries away.
    pub fn close(&self, world: &mut dyn World) {
        for (key, _) in self.entries() {
            world.remove_service(&key);
        }
    }

    fn entries(&self) -> Vec<(ServiceKey, Service)> {
        let ports = self.ports.numbers(self.port).into_iter().map(|port| Self { port, ..*self });
        let mut entries: Vec<_> = ports.map(|one| (one.key(), one.entry())).collect();
        if self.only {
            let key = ServiceKey::only(self.address().into(), self.key().protocol());
            entries.push((key, entries[0].1));
        }
        entries
    }

    /// A connection of the usual client; its source port is the row's `taken`-th to be chosen.
    pub fn conn(self, taken: usize) -> Conn {
        let client = self.ip([198, 51, 100, 7], 0x0c07);
        Conn { site: self, client, port: 40_000 + taken as u16, taken }
    }
}
