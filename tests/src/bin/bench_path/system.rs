//! What is between clients and backends.

use std::net::Ipv4Addr;

use crate::{
    plan::{DIRECT, End, Path},
    programs::Expected,
};

/// A way from clients to backends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum System {
    /// XDP that does nothing but redirect.
    Redirect,
    /// Limpet, by how it forwards.
    Nat,
    Dsr,
    Ipip,
    /// The kernel routes to a backend, which the clients know by its address.
    Forwarding,
    /// nftables rewrites the destination; backends by turns.
    Numgen,
    /// The same; backends by a hash of the source.
    Jhash,
    /// HAProxy in TCP mode.
    Haproxy,
    /// A wire.
    Direct,
}

impl System {
    /// Those that take packets.
    pub(crate) const OF_PACKETS: [Self; 7] =
        [Self::Redirect, Self::Nat, Self::Dsr, Self::Ipip, Self::Forwarding, Self::Numgen, Self::Jhash];

    /// Those that take connections. With `ipip`, backends would have to unwrap.
    pub(crate) const OF_CONNECTIONS: [Self; 8] = [
        Self::Direct,
        Self::Redirect,
        Self::Nat,
        Self::Dsr,
        Self::Forwarding,
        Self::Numgen,
        Self::Jhash,
        Self::Haproxy,
    ];

    /// Limpet's own.
    pub(crate) const LIMPET: [Self; 3] = [Self::Nat, Self::Dsr, Self::Ipip];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Redirect => "bare XDP redirect",
            Self::Nat => "limpet nat",
            Self::Dsr => "limpet dsr",
            Self::Ipip => "limpet ipip",
            Self::Forwarding => "kernel forwarding",
            Self::Numgen => "nftables DNAT, numgen",
            Self::Jhash => "nftables DNAT, jhash",
            Self::Haproxy => "HAProxy, mode tcp",
            Self::Direct => "no balancer",
        }
    }

    pub(crate) fn is_limpet(self) -> bool {
        Self::LIMPET.contains(&self)
    }

    /// Packets never become the kernel's own there.
    pub(crate) fn is_xdp(self) -> bool {
        self == Self::Redirect || self.is_limpet()
    }

    /// Where it is; [`Self::Direct`] is on none.
    pub(crate) const fn path(self) -> Path {
        Path(self as u8)
    }

    /// The Ethernet address that its clients' frames go to.
    pub(crate) fn mac(self) -> [u8; 6] {
        self.path().mac(if self == Self::Redirect { End::Sink } else { End::In })
    }

    /// What its clients call.
    pub(crate) fn target(self) -> Ipv4Addr {
        match self {
            Self::Direct => DIRECT[1],
            Self::Forwarding => self.path().backend(0),
            _ => self.path().service(),
        }
    }

    /// What its packets are when they arrive.
    pub(crate) fn expected(self) -> Expected {
        let [tcp, ipip] = [6, 4];
        match self {
            Self::Redirect | Self::Dsr => Expected { network: self.target(), bits: 32, protocol: tcp },
            _ => {
                let protocol = if self == Self::Ipip { ipip } else { tcp };
                // The backends' /29.
                let network = Ipv4Addr::from_bits(self.path().backend(0).to_bits() & !7);
                Expected { network, bits: 29, protocol }
            }
        }
    }
}
