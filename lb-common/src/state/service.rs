//! `SERVICES`: virtual address, port and protocol -> how clients stick and where the slots are.
//!
//! A service of several ports has an entry for each, and one of all ports an entry with port 0. An exact port goes
//! before port 0, see [`crate::stage::service`].

use core::fmt;

use super::{Plain, layout};
use crate::net::{Be16, Ip};

/// Key of `SERVICES`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct ServiceKey {
    /// The virtual address.
    pub address: Ip,
    /// Port (16 bits, in network byte order) and protocol (8 bits, then [`Self::ONLY`]). One word, which saves 10 ns: the
    /// kernel's hash reads a key by other parts, and what was written in smaller ones a processor can't pass on before it
    /// is through with all that was under way, the lines of the flow table among it.
    transport: u64,
}
layout!(ServiceKey, size = 24, align = 8);
// SAFETY: integers; their sizes add up to 24, so there is no padding.
unsafe impl Plain for ServiceKey {}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ServiceKey");
        debug.field("address", &self.address).field("port", &self.port());
        debug.field("protocol", &(self.transport >> Self::PROTOCOL)).finish()
    }
}

impl ServiceKey {
    const PROTOCOL: u32 = 16;

    #[inline(always)]
    const fn of(address: Ip, port: Be16, protocol: u64) -> Self {
        Self { address, transport: port.raw() as u64 | protocol << Self::PROTOCOL }
    }

    /// The key of a service.
    #[inline(always)]
    pub const fn new(address: Ip, port: Be16, protocol: u8) -> Self {
        Self::of(address, port, protocol as u64)
    }

    /// The virtual port; 0: every port without an entry of its own.
    #[inline(always)]
    pub const fn port(&self) -> Be16 {
        Be16::from_raw(self.transport as u16)
    }

    /// Transport protocol; 0 for an address's mark.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        (self.transport >> Self::PROTOCOL) as u8
    }

    /// The entry of the service for every port, of this one's address and protocol.
    #[inline(always)]
    pub const fn of_all_ports(&self) -> Self {
        Self::of(self.address, Be16::new(0), self.transport >> Self::PROTOCOL)
    }

    /// The entry that marks an address as belonging to some service: how packets without a usable
    /// port (fragments, other protocols) are told from other people's. Port and protocol 0; of its value only the
    /// policy counts, see [`Policy::ECHO`] and [`Policy::LOCAL`].
    #[inline(always)]
    pub const fn any_port(address: Ip) -> Self {
        Self::new(address, Be16::new(0), 0)
    }

    /// The entry of the only service that an address has for a protocol, if clients are told by their
    /// addresses there: where a fragment goes that has no port.
    #[inline(always)]
    pub const fn only(address: Ip, protocol: u8) -> Self {
        Self::of(address, Be16::new(0), protocol as u64 | Self::ONLY)
    }

    const ONLY: u64 = 0x100;

    /// True for the key of a service, false for those that stand beside it.
    #[inline(always)]
    pub const fn is_service(&self) -> bool {
        self.protocol() != 0 && self.transport >> Self::PROTOCOL & Self::ONLY == 0
    }
}

/// Value of `SERVICES`. Written whole by the daemon; changing `slots_base` is what swaps a slot
/// table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Service {
    /// Scope of its sessions: a digest of the service's name, or of its group's; stable over restarts.
    pub scope: u64,
    /// A digest of the service's name. For the daemon only.
    pub name: u64,
    /// Bits of the client's address that identify a client.
    pub client_mask: Ip,
    /// First slot in `SLOTS`.
    pub slots_base: u32,
    /// Number of slots less one; the number is a power of two.
    pub slots_mask: u32,
    /// Sessions without traffic for this many ticks are forgotten.
    pub idle_ticks: u32,
    /// Sessions older than this many ticks end at the next connection; 0: no bound.
    pub lifetime_ticks: u32,
    /// What is promised to its clients.
    pub policy: Policy,
    /// With [`Policy::HOLDS`]: for this many ticks after its backend failed, a session waits for it.
    pub hold_ticks: u32,
    /// Its number, from 1 on: of its row in `AUDIT`, and of its part in `MEMBERS`.
    pub number: u32,
    /// Number of its access list; 0: everybody may come.
    pub access: u32,
    /// Number of its list of masks (`MASKS`); 0: `client_mask` is everybody's.
    pub masks: u32,
    /// Number of its connection-id settings; 0: none.
    pub quic: u32,
    /// The port of its key. The entries of a hash map may be given to another key while they are read:
    /// this tells whose the value is.
    pub port: Be16,
    /// A short digest of the service's name. All entries of the service and all of its backends say the same.
    pub tag: u16,
    /// Always 0.
    pub reserved: u32,
}
layout!(Service, size = 80, align = 8);
// SAFETY: integers and bytes, no padding.
unsafe impl Plain for Service {}

/// What a service promises, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(transparent)]
pub struct Policy(pub u32);

impl Policy {
    /// In an address's mark, and nowhere else: no kernel answers pings of this address.
    pub const ECHO: Self = Self(1);
    /// Clients have sessions, by their masked address.
    pub const BY_CLIENT: Self = Self(1 << 1);
    /// Sessions are the group's: they name backends by way of `MEMBERS`.
    pub const GROUPED: Self = Self(1 << 2);
    /// While a session's backend is down, others serve, and the session stays.
    pub const LENDS: Self = Self(1 << 3);
    /// While a session's backend is down, its client is refused.
    pub const REFUSES: Self = Self(1 << 4);
    /// The same for [`Service::hold_ticks`]; then the session moves.
    pub const HOLDS: Self = Self(1 << 5);
    /// Sessions of a draining backend move with the next connection.
    pub const MOVES_ON_DRAIN: Self = Self(1 << 6);
    /// New clients are refused while no session can be stored.
    pub const REFUSES_WHEN_FULL: Self = Self(1 << 7);
    /// Of two backends the one with fewer sessions for its weight gets a new client.
    pub const LEAST_SESSIONS: Self = Self(1 << 8);
    /// A backend with its share of sessions ([`super::Load::limit`]) gets no new clients.
    pub const BOUNDED: Self = Self(1 << 9);
    /// The host itself serves: packets go to its stack. In an address's mark: so it is with one of its services.
    pub const LOCAL: Self = Self(1 << 10);

    /// True if all of `wanted` is promised.
    #[inline(always)]
    pub const fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// True if a part of `wanted` is promised.
    #[inline(always)]
    pub const fn has_any(self, wanted: Self) -> bool {
        self.0 & wanted.0 != 0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
