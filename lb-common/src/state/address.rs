//! `ADDRESSES`: bits that say which addresses are certainly nobody's.
//!
//! Most packets that a balancer passes on are for addresses without any service. To look each up in `SERVICES` costs
//! them a third of all that they cost. The bit of such an address is most likely not set; where it is by chance, as another
//! address has the same, the packet is looked at as closely as one for a service, and passes.
//!
//! Bits are set before their service is there, and stay when it goes, until the daemon's next start.

use crate::{hash, net::Ip, settings::Settings};

/// Words of 64 bits: 128 KiB, of which the few that packets need are in a cache. With 10,000 addresses one in a hundred
/// others has the bit of one.
pub const WORDS: u32 = 1 << 14;

/// Where an address has its bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressBit {
    /// The word.
    pub index: u32,
    /// The bit in it.
    pub mask: u64,
}

impl AddressBit {
    /// That of this address.
    #[inline(always)]
    pub fn of(settings: &Settings, address: Ip) -> Self {
        let hash = hash::address(settings, address);
        Self { index: (hash >> 32) as u32 & (WORDS - 1), mask: 1 << (hash & 63) }
    }
}
