//! The access lists of all histories: services take them, and change them for others.

use std::net::IpAddr;

use lb_common::state::{
    AccessKey,
    Admission::{self, Allow, Deny},
};

use super::super::table::World;

/// Everybody, of either family.
const ALL: &str = "::/0";
/// By number less one; number 0 lets everybody in.
const LISTS: [&[(&str, Admission)]; 4] = [
    &[("198.51.100.0/24", Allow), ("2001:db8:c::/64", Allow)],
    &[(ALL, Allow), ("198.51.100.3/32", Deny), ("2001:db8:c::3/128", Deny)],
    &[(ALL, Deny)],
    &[
        ("198.51.0.0/16", Allow),
        ("198.51.100.2/31", Deny),
        ("198.51.100.2/32", Allow),
        ("2001:db8::/32", Allow),
        ("2001:db8:c::2/127", Deny),
        ("2001:db8:c::2/128", Allow),
    ],
];
/// The highest number.
pub const LAST: u32 = LISTS.len() as u32;

/// Writes them.
///
/// # Panics
/// Not with the lists above.
pub fn install(world: &mut dyn World) {
    for (number, rules) in (1..).zip(LISTS) {
        let rules: Vec<_> =
            rules.iter().map(|(prefix, admission)| (key(number, prefix), *admission)).collect();
        world.add_list(number, &rules);
    }
}

fn key(list: u32, prefix: &str) -> AccessKey {
    let (address, bits) = prefix.split_once('/').expect("a prefix");
    let address: IpAddr = address.parse().expect("an address");
    let bits: u32 = bits.parse().expect("a number");
    AccessKey::new(list, address.into(), if address.is_ipv4() { 96 + bits } else { bits })
}
