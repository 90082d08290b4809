//! docs/http-framing.md, as far as tests compare it.

use std::collections::BTreeMap;

use crate::page::tables;

const PAGE: &str = include_str!("../../../../docs/http-framing.md");

/// The rows of its tables whose header begins with this cell: id -> the other cells.
///
/// # Panics
/// If two rows have one id.
#[must_use]
pub fn rows(first: &str) -> BTreeMap<String, Vec<&'static str>> {
    let mut rows = BTreeMap::new();
    for cells in tables(PAGE, first) {
        let id = cells[0].trim_matches('`').to_owned();
        assert!(rows.insert(id.clone(), cells[1..].to_vec()).is_none(), "two rows are {id}");
    }
    rows
}

/// Says where page and rows disagree: `rows` are ids and the last cells of theirs.
///
/// # Panics
/// If they do.
pub fn compare(first: &str, ours: impl IntoIterator<Item = (&'static str, String)>) {
    let mut theirs = rows(first);
    let mut lies = Vec::new();
    for (id, cell) in ours {
        match theirs.remove(id) {
            None => lies.push(format!("no row {id}, which ends {cell:?}")),
            Some(cells) if cells.last() != Some(&cell.as_str()) => {
                lies.push(format!("{id} ends {:?}, not {cell:?}", cells.last()));
            }
            Some(_) => {}
        }
    }
    lies.extend(theirs.keys().map(|id| format!("{id} is proved by no case")));
    assert!(lies.is_empty(), "docs/http-framing.md and the cases disagree:\n  {}", lies.join("\n  "));
}
