//! What goes in, what must come out, and the one counter that moves.
//!
//! Frames, those expected to come out as well, are built by etherparse from plain fields: no byte and no
//! checksum of an expectation is the program's own work.

mod broken;
mod check;
mod host;
mod packet;
pub mod rows;

use std::net::IpAddr;

use lb_common::decap::{Role, Rule};

pub use check::{Fate, Row, World, check};
pub use host::Host;
pub use packet::{Family, Fragment, Frame, Tunnel};

/// The UDP port of GUE tunnels in this table.
pub const GUE_PORT: u16 = 6081;

/// Who may send to whom for whom in this table.
pub fn rules() -> impl Iterator<Item = Rule> {
    let rule = |(role, address, length): (Role, &str, u8)| {
        Rule::prefix(role, address.parse::<IpAddr>().expect("an address"), length)
    };
    [
        (Role::Sender, "10.0.0.0", 24),
        (Role::Sender, "2001:db8:b::", 48),
        (Role::Endpoint, "10.0.1.5", 32),
        (Role::Endpoint, "2001:db8:5::5", 128),
        (Role::Inner, "192.0.2.8", 29),
        (Role::Inner, "2001:db8::10", 128),
    ]
    .into_iter()
    .map(rule)
}
