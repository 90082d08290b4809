//! The packet table of `limpet decap` on the host. The same rows run in the kernel: `tests/tests/decap.rs`.

#[path = "../../tests/src/decap/table/mod.rs"]
mod table;

use std::collections::BTreeSet;

use lb_common::decap::Reason;
use table::{Fate, Host, check, rows};

#[test]
fn every_row_on_the_host() {
    let (rows, mut host) = (rows::all(), Host::default());
    let failures: Vec<String> = rows.iter().filter_map(|row| check(row, &mut host).err()).collect();
    assert!(failures.is_empty(), "{} of {} rows:\n{}", failures.len(), rows.len(), failures.join("\n"));
}

#[test]
fn names_are_unique_and_every_reason_has_a_row() {
    let rows = rows::all();
    let mut names = BTreeSet::new();
    let mut reasons = BTreeSet::from([Reason::Decapsulated]);
    for row in &rows {
        assert!(names.insert(&row.name), "two rows are called {:?}", row.name);
        if let Fate::Ends(reason) = row.fate {
            reasons.insert(reason);
        }
    }
    assert_eq!(reasons, Reason::ALL.iter().copied().collect());
}
