//! The packet table on the host engine. The same rows run in the kernel: `tests/tests/packets.rs`.

#[path = "../../../tests/src/page.rs"]
mod page;
#[path = "../../../tests/src/packets/table/mod.rs"]
mod table;

mod documented;
mod sums;

use std::collections::HashSet;

use lb_common::{reason::Reason, state::Forwarding};
use table::{Action, Family, Geometry, Host, Side, Site, World as _, check, rows};

#[test]
fn every_row_on_the_host_engine() {
    let rows = rows::all();
    let failures: Vec<String> =
        rows.iter().filter_map(|row| check(row, &mut Host::new(row.geometry)).err()).collect();
    assert!(failures.is_empty(), "{} of {} rows:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

#[test]
fn names_are_unique() {
    let rows = rows::all();
    let mut seen = HashSet::new();
    for row in &rows {
        assert!(seen.insert(&row.name), "two rows are called {:?}", row.name);
    }
    assert!(rows.len() >= 90, "{} rows", rows.len());
}

/// Proves `no-headroom`: a packet is dropped as it was, where there is no room for the outer headers.
#[test]
fn no_room_before_a_packet() {
    for (family, forwarding, least) in [
        (Family::V4, Forwarding::Ipip, 20),
        (Family::V4, Forwarding::Gue, 28),
        (Family::V6, Forwarding::Ipip, 40),
        (Family::V6, Forwarding::Gue, 48),
    ] {
        let site = Site::new(family, false, forwarding);
        let mut host = Host::new(Geometry::ROOMY);
        site.install(&mut host);
        let bytes = site.conn(0).first().build(&[]);
        let mut run = |headroom| {
            host.set_headroom(headroom);
            let ran = host.run(&bytes, Side::Outside);
            (host.last, ran.action == Action::Drop, ran.bytes.len() - bytes.len())
        };
        assert_eq!(run(least - 1), (Reason::NoHeadroom, true, 0));
        assert_eq!(run(least), (Reason::ToBackend, false, least));
    }
}
