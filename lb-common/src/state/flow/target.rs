//! Where a connection goes.

use super::Entry;
use crate::state::BackendId;

/// Where a connection goes: the part of a way that never changes while it lives. 48 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target(pub(super) u64);

impl Target {
    pub(super) const REPLY: u64 = 1 << 28;
    pub(super) const MASK: u64 = ((1 << 48) - 1) & !Entry::WAY;

    /// From the number that [`Target::raw`] gives.
    #[inline(always)]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw & Self::MASK)
    }

    /// The target as a number of 48 bits.
    #[inline(always)]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// A target without a binding (`dsr` and tunnels). In the place of its source and port, 24 bits in all, stand
    /// bits of the flow's hash: what tells flows apart in a tunnel.
    #[inline(always)]
    pub const fn direct(backend: BackendId, hash: u64) -> Self {
        Self::bound(backend, (hash >> 56) as u8, (hash >> 40) as u16)
    }

    /// A target with a binding at `port` (an offset in the port range) of the lane that source
    /// address `source` leads to.
    #[inline(always)]
    pub const fn bound(backend: BackendId, source: u8, port: u16) -> Self {
        Self(backend.0 as u64 | (source as u64) << 20 | (port as u64) << 32)
    }

    /// The way back through the binding at `index`, for those that don't know which port leads there; `None`
    /// beyond the 2^24 that there is room for.
    #[inline(always)]
    pub const fn answer(backend: BackendId, index: u32) -> Option<Self> {
        if index >> 24 != 0 {
            return None;
        }
        Some(Self::bound(backend, (index >> 16) as u8, index as u16).reply())
    }

    /// The index of an [`Target::answer`].
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self.bits()
    }

    /// The same binding, seen from the backend.
    #[inline(always)]
    #[must_use]
    pub const fn reply(self) -> Self {
        Self(self.0 | Self::REPLY)
    }

    /// The backend.
    #[inline(always)]
    pub const fn backend(self) -> BackendId {
        BackendId(self.0 as u32 & BackendId::MAX)
    }

    /// Index of the source address in `SOURCES`.
    #[inline(always)]
    pub const fn source(self) -> u8 {
        (self.0 >> 20) as u8
    }

    /// Offset of the source port in the configured range.
    #[inline(always)]
    pub const fn port(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// 24 bits that tell flows in a tunnel apart.
    #[inline(always)]
    pub const fn entropy(self) -> u32 {
        self.bits()
    }

    /// What stands in the place of source and port.
    #[inline(always)]
    const fn bits(self) -> u32 {
        (self.source() as u32) << 16 | self.port() as u32
    }

    /// True if this entry is for packets from the backend to the client.
    #[inline(always)]
    pub const fn is_reply(self) -> bool {
        self.0 & Self::REPLY != 0
    }
}
