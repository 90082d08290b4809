//! `docs/backends.md` names every counter of `limpet decap` with its fate, and nothing else.

use std::collections::BTreeSet;

use lb_common::{decap, reason::Kind};

#[test]
fn every_counter_on_backends_is_documented_with_its_fate() {
    let section = include_str!("../../docs/backends.md").split("\n## What `limpet decap` does").nth(1);
    let rows = section.expect("the section is there").lines().filter_map(|line| line.strip_prefix('|'));
    let rows = rows.filter_map(|row| {
        let mut cells = row.split('|').skip(1).map(str::trim);
        Some((cells.next()?.strip_prefix('`')?.strip_suffix('`')?, cells.next()?))
    });
    let fate = |reason: &decap::Reason| match reason.kind() {
        Kind::Pass => "passed",
        Kind::Forward => "unwrapped",
        Kind::Drop => "dropped",
        Kind::Event => panic!("each of them is a packet's fate"),
    };
    let expected = decap::Reason::ALL.iter().map(|reason| (reason.name(), fate(reason))).collect();
    assert_eq!(rows.collect::<BTreeSet<_>>(), expected);
}
