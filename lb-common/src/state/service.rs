//! `SERVICES`: virtual address, port and protocol -> how clients stick and where the slots are.
//!
//! A service of several ports has an entry for each, and one of all ports an entry with port 0. An exact port goes
//! before port 0, see [`crate::stage::service`].

use super::{Plain, layout};
use crate::net::{Be16, Ip};

/// Key of `SERVICES`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(C)]
pub struct ServiceKey {
    /// The virtual address.
    pub address: Ip,
    /// The virtual port; 0: every port without an entry of its own.
    pub port: Be16,
    /// Transport protocol. Two bytes, so that every field is an aligned word (see [`crate::net`]).
    protocol: u16,
    /// Always 0.
    reserved: u32,
}
layout!(ServiceKey, size = 24, align = 8);
// SAFETY: integers; their sizes add up to 24, so there is no padding.
unsafe impl Plain for ServiceKey {}

impl ServiceKey {
    /// The key of a service.
    #[inline(always)]
    pub const fn new(address: Ip, port: Be16, protocol: u8) -> Self {
        Self { address, port, protocol: protocol as u16, reserved: 0 }
    }

    /// Transport protocol; 0 for an address's mark.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        self.protocol as u8
    }

    /// The entry that marks an address as belonging to some service: how packets without a usable
    /// port (fragments, other protocols) are told from other people's. Port and protocol 0.
    #[inline(always)]
    pub const fn any_port(address: Ip) -> Self {
        Self::new(address, Be16::new(0), 0)
    }

    /// The entry of the only service that an address has for a protocol, if clients are told by their
    /// addresses there: where a fragment goes that has no port.
    #[inline(always)]
    pub const fn only(address: Ip, protocol: u8) -> Self {
        Self { protocol: protocol as u16 | Self::ONLY, ..Self::any_port(address) }
    }

    const ONLY: u16 = 0x100;

    /// True for the key of a service, false for those that stand beside it.
    #[inline(always)]
    pub const fn is_service(&self) -> bool {
        self.protocol != 0 && self.protocol & Self::ONLY == 0
    }
}

/// Value of `SERVICES`. Written whole by the daemon; changing `slots_base` is what swaps a slot
/// table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Service {
    /// Scope of its sessions: a digest of the service's name, stable over restarts.
    pub scope: u64,
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
    /// A [`PersistBy`] as a number.
    pub persist_by: u32,
    /// Number of its access list; 0: everybody may come.
    pub access: u32,
    /// Number of its connection-id settings; 0: none.
    pub quic: u32,
    /// The port of its key. The entries of a hash map may be given to another key while they are read:
    /// this tells whose the value is.
    pub port: Be16,
    /// A digest of the service's name. All entries of the service and all of its backends say the same.
    pub tag: u16,
    /// In an address's mark: see [`Service::answers_echo`]. Otherwise 0.
    pub flags: u32,
    /// Always 0.
    pub reserved: u32,
}
layout!(Service, size = 64, align = 8);
// SAFETY: integers and bytes, no padding.
unsafe impl Plain for Service {}

/// What identifies a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum PersistBy {
    /// Nothing beyond the connection: no sessions are stored.
    Connection = 0,
    /// The masked client address.
    ClientIp = 1,
}

impl Service {
    /// In [`Service::flags`]: no kernel answers pings of this address.
    pub const ECHO: u32 = 1;

    /// In the mark of an address: are pings of it answered by the packet program?
    #[inline(always)]
    pub const fn answers_echo(&self) -> bool {
        self.flags & Self::ECHO != 0
    }

    /// What identifies a client; the daemon writes no other numbers than those of [`PersistBy`].
    #[inline(always)]
    pub const fn persist_by(&self) -> PersistBy {
        match self.persist_by {
            0 => PersistBy::Connection,
            _ => PersistBy::ClientIp,
        }
    }
}
