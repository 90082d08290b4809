//! Who may send, to which tunnel address, for whom: prefixes in one table.

use core::net::IpAddr;

use super::header::Family;
use crate::{
    net::Ip,
    state::{Plain, layout},
};

/// What an address is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The outer source: may it send to us?
    Sender = 1,
    /// The outer destination: is it where our tunnels end?
    Endpoint = 2,
    /// The inner destination: is it served here?
    Inner = 3,
}

/// A prefix of addresses in one role, or a question about one address: the key of a trie, whose
/// order of fields the kernel demands (`struct bpf_lpm_trie_key_u8`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(C)]
pub struct Rule {
    /// Bits that count, from `table` on.
    bits: u32,
    /// Role and IP version; always counts in full. The version keeps `::/0` from holding the IPv4 addresses,
    /// which are mapped.
    table: u32,
    address: Ip,
}
layout!(Rule, size = 24, align = 8);
// SAFETY: integers only, and no padding as the size shows.
unsafe impl Plain for Rule {}

/// Bits of the role and the version.
const TABLE_BITS: u32 = u32::BITS;
/// Bits of an address of either family, as maps hold it.
const ADDRESS_BITS: u32 = 128;

impl Rule {
    /// Most rules that a table takes.
    pub const ROOM: usize = 65_536;

    /// The question: what is `address` in this role?
    #[inline(always)]
    pub fn ask<A: Family>(role: Role, address: A) -> Self {
        let bits = TABLE_BITS + ADDRESS_BITS;
        Self { bits, table: table(role, A::VERSION), address: address.widen() }
    }

    /// The addresses that agree with `address` in the first `length` bits, counted in its own family: at
    /// most 32 for IPv4 and 128 for IPv6.
    pub fn prefix(role: Role, address: IpAddr, length: u8) -> Self {
        let (version, before) = match address {
            IpAddr::V4(_) => (4, 96),
            IpAddr::V6(_) => (6, 0),
        };
        let mask = Ip::prefix_mask(address, length);
        let bits = TABLE_BITS + (before + u32::from(length)).min(ADDRESS_BITS);
        Self { bits, table: table(role, version), address: Ip::from(address).masked(mask) }
    }

    /// Bits that count, of those that [`Rule::data`] holds.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// What is compared, as words of the machine.
    pub const fn data(&self) -> [u32; 5] {
        let address = &self.address;
        [self.table, address.quarter(0), address.quarter(1), address.quarter(2), address.quarter(3)]
    }

    /// True if `asked` lies within this prefix.
    pub fn holds(&self, asked: &Self) -> bool {
        let length = (self.bits - TABLE_BITS) as u8;
        // A mask of all 128 bits, whatever the family.
        let mask = Ip::prefix_mask(IpAddr::from([0u8; 16]), length);
        self.table == asked.table && self.address == asked.address.masked(mask)
    }
}

const fn table(role: Role, version: u8) -> u32 {
    (role as u32) << 8 | version as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{V4, V6};

    fn v4(text: &str) -> V4 {
        V4::from_bytes(text.parse::<core::net::Ipv4Addr>().unwrap().octets())
    }

    fn v6(text: &str) -> V6 {
        V6::from_bytes(text.parse::<core::net::Ipv6Addr>().unwrap().octets())
    }

    #[test]
    fn prefixes_hold_their_own_family_and_role() {
        let rule = |text: &str, length| Rule::prefix(Role::Sender, text.parse().unwrap(), length);
        let asks = |address: &str| Rule::ask(Role::Sender, v4(address));
        assert!(rule("10.1.0.0", 16).holds(&asks("10.1.2.3")));
        assert!(!rule("10.1.0.0", 16).holds(&asks("10.2.2.3")));
        assert!(rule("0.0.0.0", 0).holds(&asks("10.2.2.3")));
        assert!(!rule("::", 0).holds(&asks("10.2.2.3")));
        assert!(rule("::", 0).holds(&Rule::ask(Role::Sender, v6("::ffff:10.2.2.3"))));
        assert!(!rule("0.0.0.0", 0).holds(&Rule::ask(Role::Sender, v6("::ffff:10.2.2.3"))));
        assert!(!rule("10.1.0.0", 16).holds(&Rule::ask(Role::Inner, v4("10.1.2.3"))));
        assert!(rule("2001:db8::", 33).holds(&Rule::ask(Role::Sender, v6("2001:db8:7fff::1"))));
        assert!(!rule("2001:db8::", 33).holds(&Rule::ask(Role::Sender, v6("2001:db8:8000::1"))));
    }
}
