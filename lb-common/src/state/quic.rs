//! `QUIC` and `SERVER_IDS`: how the connection ids of a service's servers are read, and whose they are.

use core::fmt;

use super::{BackendId, Plain, layout};

/// Values that the first three bits of a connection id take, and so entries of `QUIC` a service.
pub const ROTATIONS: u32 = 8;

/// Services that can be told apart by connection ids; their numbers are 1 and up.
pub const SERVICES: u32 = 64;

/// Entries of `QUIC`.
pub const ENTRIES: u32 = (SERVICES + 1) * ROTATIONS;

/// Sixteen octets, the first in the lowest bits of the first word.
pub type Block = [u64; 2];

/// Words of AES-128's round keys.
pub const ROUND_KEYS: usize = 44;

/// Value of `QUIC`: how ids with one value of the rotation bits are read. All zero: not at all.
///
/// Index: the number of the service (see [`super::Service::quic`]) times [`ROTATIONS`], plus the bits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct CidConfig {
    /// Round keys for what `mode` needs; zero without a key.
    pub keys: [u32; ROUND_KEYS],
    /// The octets and bits of the left half.
    pub left: Block,
    /// The octets and bits of the right half.
    pub right: Block,
    /// The octets of the server id.
    pub server: Block,
    /// Octets of server id and nonce together.
    pub length: u32,
    /// Which of those is the right half's first.
    pub right_at: u32,
    /// A [`CidMode`] as a number.
    pub mode: u32,
    /// Always 0.
    pub reserved: u32,
}
layout!(CidConfig, size = 240, align = 8);
// SAFETY: integers only; their sizes add up to 240, so there is no padding.
unsafe impl Plain for CidConfig {}

/// How server id and nonce are hidden (draft-ietf-quic-load-balancers-21 section 5.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum CidMode {
    /// Ids with these bits lead nowhere.
    Unroutable = 0,
    /// Not at all.
    Plain = 1,
    /// One AES block.
    SinglePass = 2,
    /// A Feistel network, of which the left half alone holds the server id.
    ThreePasses = 3,
    /// A Feistel network, whose both halves are needed.
    FourPasses = 4,
}

impl CidConfig {
    /// The mode; the daemon writes no other numbers than those of [`CidMode`].
    #[inline(always)]
    pub const fn mode(&self) -> CidMode {
        match self.mode {
            1 => CidMode::Plain,
            2 => CidMode::SinglePass,
            3 => CidMode::ThreePasses,
            4 => CidMode::FourPasses,
            _ => CidMode::Unroutable,
        }
    }
}

impl Default for CidConfig {
    fn default() -> Self {
        Self {
            keys: [0; ROUND_KEYS],
            left: [0; 2],
            right: [0; 2],
            server: [0; 2],
            length: 0,
            right_at: 0,
            mode: CidMode::Unroutable as u32,
            reserved: 0,
        }
    }
}

// By hand, as the keys are nobody's business.
impl fmt::Debug for CidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CidConfig")
            .field("mode", &self.mode())
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// What is read of a connection id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct CidOctets {
    /// The octets behind the first one; once it is read, the server id, filled up with zeros.
    pub start: Block,
    /// The octets from [`CidConfig::right_at`] of these on.
    pub right: Block,
}

/// Key of `SERVER_IDS`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(C)]
pub struct ServerKey {
    /// Scope of the service, see [`super::Service::scope`].
    pub scope: u64,
    /// The server id, filled up with zeros. All ids of a service have one length.
    pub id: Block,
}
layout!(ServerKey, size = 24, align = 8);
// SAFETY: integers only, no padding.
unsafe impl Plain for ServerKey {}

/// Value of `SERVER_IDS`: the backend that issues ids with this server id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct ServerHome {
    /// The backend.
    pub backend: BackendId,
    /// Its generation when this was written; another one: the index has been given away.
    pub generation: u32,
}
layout!(ServerHome, size = 8, align = 4);
// SAFETY: integers only, no padding.
unsafe impl Plain for ServerHome {}
