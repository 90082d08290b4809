//! Who takes part: both backends, their Ethernet addresses, families and ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Side;

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
    pub(super) const fn ip(self, [a, b, c, d]: [u8; 4], v6: u16) -> IpAddr {
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
