//! The packet table on the host engine. The same rows run in the kernel: `tests/tests/packets.rs`.

#[path = "../../../tests/src/packets/table/mod.rs"]
mod table;

mod documented;
mod sums;

use std::collections::HashSet;

use table::{Host, check, rows};

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
