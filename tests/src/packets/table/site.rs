//! A service with two backends, its clients, and what their packets look like on either side.

use std::net::IpAddr;

use lb_common::{
    net::{Be16, protocol},
    state::{BackendId, Forwarding, Policy, ServiceKey},
};

use super::{Conn, Family, Ports, Which};

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
    /// What it promises, beyond that.
    pub policy: Policy,
    /// See [`Service::hold_ticks`](lb_common::state::Service::hold_ticks).
    pub hold_ticks: u32,
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
    /// Number of its list of masks; 0: none.
    pub masks: u32,
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
            policy: Policy(0),
            hold_ticks: 0,
            by_connection_id: false,
            idle_ticks: 1700,
            lifetime_ticks: 0,
            scope: 0x5c0e,
            port: 80,
            access: 0,
            masks: 0,
            ports: Ports::One,
            at_first: false,
            only: false,
            echo: false,
        }
    }

    /// A service that the host itself serves; it has backends, as others do, which are never asked.
    pub const fn local(family: Family) -> Self {
        Self { policy: Policy::LOCAL, ..Self::new(family, false, Forwarding::Nat) }
    }

    /// What most rows use.
    pub const WEB: Self = Self::new(Family::V4, false, Forwarding::Nat);

    /// Its short name.
    pub fn name(&self) -> String {
        let family = self.family.name();
        let transport = if self.udp { "udp" } else { "tcp" };
        let forwarding = match self.forwarding {
            _ if self.is_local() => "by the host",
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

    /// Does the host itself serve it?
    pub const fn is_local(&self) -> bool {
        self.policy.has(Policy::LOCAL)
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

    /// The number of its connection-id settings.
    pub const fn quic_number(&self) -> u32 {
        1 + self.number as u32
    }

    /// A connection of the usual client; its source port is the row's `taken`-th to be chosen.
    pub fn conn(self, taken: usize) -> Conn {
        let client = self.ip([198, 51, 100, 7], 0x0c07);
        Conn { site: self, client, port: 40_000 + taken as u16, taken }
    }
}
