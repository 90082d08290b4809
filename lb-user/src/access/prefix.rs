//! Addresses that begin alike.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use lb_common::{net::Ip, state::AccessKey};

/// Bits before an IPv4 address in the form that maps hold.
const MAPPED: u8 = 96;
/// Those bits (RFC 4291 section 2.5.5.2).
const MAPPED_FIRST: u128 = 0xffff << 32;

/// A prefix of either family; IPv4 in its mapped form. Ordered by the first address, the longer after the
/// shorter, so that what lies inside a prefix follows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix {
    first: u128,
    bits: u8,
}

impl Prefix {
    /// Everybody of a family.
    pub const fn whole(ipv6: bool) -> Self {
        if ipv6 { Self { first: 0, bits: 0 } } else { Self { first: MAPPED_FIRST, bits: MAPPED } }
    }

    /// Is it everybody of a family?
    pub fn is_whole(&self) -> bool {
        [false, true].map(Self::whole).contains(self)
    }

    /// First address.
    pub const fn first(&self) -> u128 {
        self.first
    }

    /// Last address.
    pub fn last(&self) -> u128 {
        self.first | u128::MAX.checked_shr(self.bits.into()).unwrap_or(0)
    }

    /// How many bits count, of 128.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// Is the address one of them?
    pub fn covers(&self, address: IpAddr) -> bool {
        (self.first..=self.last()).contains(&number(address))
    }

    /// Its key in `ACCESS`, in the list of that number.
    pub fn key(&self, list: u32) -> AccessKey {
        AccessKey::new(list, Ip::from_bytes(self.first.to_be_bytes()), self.bits.into())
    }

    /// The inverse of [`Prefix::key`].
    pub fn from_key(key: &AccessKey) -> Self {
        let (first, bits) = key.prefix();
        Self { first: u128::from_be_bytes(first.bytes()), bits: bits as u8 }
    }
}

fn number(address: IpAddr) -> u128 {
    u128::from_be_bytes(Ip::from(address).bytes())
}

impl From<IpNet> for Prefix {
    /// Bits beyond the prefix don't count.
    fn from(net: IpNet) -> Self {
        let before = if net.addr().is_ipv4() { MAPPED } else { 0 };
        Self { first: number(net.network()), bits: before + net.prefix_len() }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = IpAddr::from(Ip::from_bytes(self.first.to_be_bytes()));
        let before = if first.is_ipv4() { MAPPED } else { 0 };
        write!(f, "{first}/{}", self.bits.saturating_sub(before))
    }
}
