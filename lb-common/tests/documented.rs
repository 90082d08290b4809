//! `docs/packets.md` names every counter under its kind, and nothing else; so does `docs/backends.md` for `limpet
//! decap`.

use std::collections::BTreeSet;

use lb_common::{
    decap,
    reason::{Kind, Reason},
};

const PAGE: &str = include_str!("../../docs/packets.md");

/// The names in the second column of the tables under this heading.
fn names(heading: &str) -> BTreeSet<&'static str> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("no section {heading:?}"));
    let cells = section.lines().filter_map(|line| line.strip_prefix('|')?.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

fn of_kind(kind: Kind) -> BTreeSet<&'static str> {
    Reason::ALL.iter().filter(|reason| reason.kind() == kind).map(|reason| reason.name()).collect()
}

#[test]
fn every_counter_is_documented_under_its_kind() {
    assert_eq!(names("Passed to the host"), of_kind(Kind::Pass));
    assert_eq!(names("Sent on"), of_kind(Kind::Forward));
    assert_eq!(names("Dropped"), of_kind(Kind::Drop));
    assert_eq!(names("Counted on the way"), of_kind(Kind::Event));
}

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
