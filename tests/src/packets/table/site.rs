//! A service with two backends, its clients, and what their packets look like on either side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_common::{
    net::{Be16, Ip, Mac, protocol},
    state::{Backend, BackendId, Forwarding, Health, PersistBy, Service, ServiceKey},
};

use super::{Conn, Side, World, tunnel};

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
    /// Sessions end after this many idle ticks.
    pub idle_ticks: u32,
    /// Sessions end after this many ticks; 0: never.
    pub lifetime_ticks: u32,
    /// Sessions' scope.
    pub scope: u64,
    /// The service's port.
    pub port: u16,
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
            idle_ticks: 1700,
            lifetime_ticks: 0,
            scope: 0x5c0e,
            port: 80,
        }
    }

    /// What most rows use.
    pub const WEB: Self = Self::new(Family::V4, false, Forwarding::Nat);

    /// Its short name.
    pub fn name(&self) -> String {
        let family = if self.family == Family::V4 { "v4" } else { "v6" };
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

    fn ip(&self, v4: [u8; 4], v6: u16) -> IpAddr {
        self.family.ip(v4, v6)
    }

    /// The virtual address.
    pub fn address(&self) -> IpAddr {
        self.ip([192, 0, 2, 10 + self.number], 0x0510 + u16::from(self.number))
    }

    /// The balancer's own address.
    pub fn source(&self) -> IpAddr {
        self.ip([10, 0, 0, 2], 0x0b02)
    }

    /// A backend's address and port.
    pub fn server(&self, which: Which) -> (IpAddr, u16) {
        let last = 11 + self.number * 2 + which as u8;
        let port = if self.forwarding.is_direct() { self.port } else { 8080 + which as u16 };
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
            port: Be16::new(port),
            service_port: Be16::new(self.port),
            forwarding: self.forwarding as u8,
            source_first,
            source_count,
            protocol: self.key().protocol(),
        }
    }

    /// Its entry.
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
            access: 0,
            quic: 0,
            reserved: 0,
        }
    }

    /// Puts it in place.
    pub fn install(&self, world: &mut dyn World) {
        let v4 = Self { family: Family::V4, ..*self }.source();
        let v6 = Self { family: Family::V6, ..*self }.source();
        world.set_sources(&[v4.into(), v6.into()]);
        world.set_tunnels(&tunnel::tunnels());
        for which in [A, B] {
            let recipe = self.recipe(world, which);
            world.set_backend(self.id(which), &recipe);
            world.set_health(self.id(which), Health::Up);
        }
        world.set_slots(self.slots_base(), &[self.id(A).0; 2]);
        world.set_service(&self.key(), &self.entry());
        world.set_service(&ServiceKey::any_port(self.address().into()), &Service::default());
    }

    /// A connection of the usual client; its source port is the row's `taken`-th to be chosen.
    pub fn conn(self, taken: usize) -> Conn {
        let client = self.ip([198, 51, 100, 7], 0x0c07);
        Conn { site: self, client, port: 40_000 + taken as u16, taken }
    }
}
