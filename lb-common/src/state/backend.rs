//! `BACKENDS`, `HEALTH` and `TRAFFIC`: what the packet path must know of a server.

use super::{Plain, Service, ServiceKey, layout};
use crate::{
    net::{Be16, Ip, Mac},
    time::Tick,
};

/// Index into `BACKENDS`, `HEALTH` and `TRAFFIC`. 0 is nobody: an all-zero entry names no backend.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct BackendId(pub u32);

impl BackendId {
    /// No backend: the value of an empty slot.
    pub const NONE: Self = Self(0);
    /// Ids take 20 bits of a flow entry.
    pub const MAX: u32 = (1 << 20) - 1;

    /// True for [`BackendId::NONE`].
    #[inline(always)]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// What to do with a packet for a backend: address, next hop, and how to forward. One cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Backend {
    /// The server's address.
    pub address: Ip,
    /// The virtual address of the service it belongs to.
    pub service_address: Ip,
    /// Ethernet address of the next hop; zero while unresolved.
    pub target_mac: Mac,
    /// Our Ethernet address on the way there.
    pub source_mac: Mac,
    /// Bumped whenever this index is given to another (service, name, address, port). Flows and
    /// sessions carry the generation they were made with and die with it. Never 0 once used.
    pub generation: u32,
    /// Interface towards the next hop.
    pub ifindex: u32,
    /// The server's port; 0: the one that the client called.
    pub port: Be16,
    /// That of the service it belongs to, see [`Service::tag`].
    pub service_tag: u16,
    /// A [`Forwarding`] as a number, and perhaps [`Backend::BY_CONNECTION_ID`].
    pub forwarding: u8,
    /// Index in `SOURCES` of the first source address of this family.
    pub source_first: u8,
    /// Number of source addresses of this family; 0 unless the source is rewritten.
    pub source_count: u8,
    /// The service's protocol.
    pub protocol: u8,
}
layout!(Backend, size = 64, align = 8);
// SAFETY: integers only; their sizes add up to 64, so there is no padding.
unsafe impl Plain for Backend {}

/// How packets reach a backend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Forwarding {
    /// Rewrite both source and destination.
    Nat = 0,
    /// Rewrite the destination, keep the client's address.
    NatPreserve = 1,
    /// Rewrite the Ethernet addresses only (direct server return).
    Dsr = 2,
    /// Wrap the packet in one to the backend (IP in IP).
    Ipip = 3,
    /// The same, with a UDP header in between (GUE).
    Gue = 4,
}

impl Forwarding {
    /// True if the packet goes through a tunnel.
    #[inline(always)]
    pub const fn is_tunnel(self) -> bool {
        matches!(self, Self::Ipip | Self::Gue)
    }

    /// True if backends answer the client directly: a connection holds no port, and replies don't pass.
    #[inline(always)]
    pub const fn is_direct(self) -> bool {
        matches!(self, Self::Dsr | Self::Ipip | Self::Gue)
    }
}

impl Backend {
    /// Bit of `forwarding`: connection ids of the service's packets are looked at even where the flow is
    /// known. Here, as the established path has it at hand.
    pub const BY_CONNECTION_ID: u8 = 0x80;

    /// See [`Backend::BY_CONNECTION_ID`].
    #[inline(always)]
    pub const fn by_connection_id(&self) -> bool {
        self.forwarding & Self::BY_CONNECTION_ID != 0
    }

    /// Does it belong to the service that has this entry under this key? It may not where the entry was given
    /// to another key while it was read.
    #[inline(always)]
    pub fn serves(&self, service: &Service, key: &ServiceKey) -> bool {
        service.port == key.port()
            && self.service_tag == service.tag
            && self.service_address == key.address
            && self.protocol == key.protocol()
    }

    /// The server's port in a connection that `called` this one of the service's.
    #[inline(always)]
    pub const fn port_for(&self, called: Be16) -> Be16 {
        if self.port.raw() == 0 { called } else { self.port }
    }

    /// True if a connection holds no port, and replies don't pass: see [`Forwarding::is_direct`].
    // By the number, as here and below: one comparison, where `forwarding` makes several.
    #[inline(always)]
    pub const fn is_direct(&self) -> bool {
        self.mode() >= Forwarding::Dsr as u8
    }

    /// True if packets go through a tunnel: see [`Forwarding::is_tunnel`].
    #[inline(always)]
    pub const fn is_tunnelled(&self) -> bool {
        self.mode() >= Forwarding::Ipip as u8
    }

    /// A [`Forwarding`] as a number.
    #[inline(always)]
    const fn mode(&self) -> u8 {
        self.forwarding & !Self::BY_CONNECTION_ID
    }

    /// The forwarding mode; the daemon writes no other numbers than those of [`Forwarding`].
    #[inline(always)]
    pub const fn forwarding(&self) -> Forwarding {
        match self.mode() {
            0 => Forwarding::Nat,
            1 => Forwarding::NatPreserve,
            3 => Forwarding::Ipip,
            4 => Forwarding::Gue,
            _ => Forwarding::Dsr,
        }
    }
}

/// A backend's state, in a word of `HEALTH`. Writing it is the whole of a fail-over: every use
/// checks it, the slot table follows later.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u32)]
pub enum Health {
    /// The index is unused, or its recipe is being rewritten.
    #[default]
    Absent = 0,
    /// Takes new clients.
    Up = 1,
    /// Keeps its connections and sessions, takes no new clients.
    Draining = 2,
    /// Failed its checks: nothing is sent there.
    Down = 3,
    /// Nothing is sent there, by order of an operator: its sessions don't wait for it.
    Disabled = 4,
}

impl Health {
    const BITS: u32 = 3;

    /// The word for a state that began at `since`.
    #[inline(always)]
    pub const fn word(self, since: Tick) -> u32 {
        self as u32 | since.0 << Self::BITS
    }

    /// The state of a word; unknown numbers are [`Health::Absent`].
    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        match word & ((1 << Self::BITS) - 1) {
            1 => Self::Up,
            2 => Self::Draining,
            3 => Self::Down,
            4 => Self::Disabled,
            _ => Self::Absent,
        }
    }

    /// When the state of a word began. 29 bits of ticks last 18 years.
    #[inline(always)]
    pub const fn since(word: u32) -> Tick {
        Tick(word >> Self::BITS)
    }

    /// May established flows and live sessions go there?
    #[inline(always)]
    pub const fn serves(self) -> bool {
        matches!(self, Self::Up | Self::Draining)
    }
}

/// Figures of one backend on one CPU. Bytes are those of the IP packets, without Ethernet headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Traffic {
    /// Packets from clients.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets back to clients (none in `dsr` and tunnels: replies don't pass here).
    pub reply_packets: u64,
    /// Their bytes.
    pub reply_bytes: u64,
    /// Connections made, datagram flows included.
    pub connections: u64,
}
layout!(Traffic, size = 40, align = 8);
// SAFETY: integers only, no padding.
unsafe impl Plain for Traffic {}
