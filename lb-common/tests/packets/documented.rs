//! docs/packets.md against the code: it names every counter under its kind, and every row of its tables
//! is proved by rows of the packet table.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::reason::{Kind, Reason};

use super::{
    page::tables,
    table::{self, rows},
};

const PAGE: &str = include_str!("../../../docs/packets.md");

/// Rows of the page that no packet row can show, as it takes more than bytes: the test that does says
/// `Proves` and the id.
const PROVED_ELSEWHERE: [(&str, &str); 4] = [
    ("far-headers", include_str!("../../../tests/tests/packets.rs")),
    ("far-payload", include_str!("../../../tests/tests/packets.rs")),
    ("no-headroom", include_str!("main.rs")),
    ("too-big-far", include_str!("../../../tests/tests/packets.rs")),
];

/// What stands in backticks, each with the word before it.
fn quoted(cell: &str) -> Vec<(&str, &str)> {
    let parts: Vec<_> = cell.split('`').collect();
    let pairs = parts.chunks_exact(2);
    pairs.map(|pair| (pair[0].split_whitespace().last().unwrap_or(""), pair[1])).collect()
}

fn reason(name: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.name() == name)
}

/// The rows of the page: id -> the names that it must show, each after the word before it.
fn documented() -> BTreeMap<&'static str, Vec<(&'static str, Reason)>> {
    let mut rows = BTreeMap::new();
    for cells in tables(PAGE, "id") {
        let id = cells[0].trim_matches('`');
        let names = cells[1..].iter().flat_map(|cell| quoted(cell));
        let names = names.filter_map(|(word, name)| Some((word, reason(name)?))).collect();
        assert!(rows.insert(id, names).is_none(), "two rows have the id {id}");
    }
    rows
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Pass => "pass",
        Kind::Forward => "forward",
        Kind::Drop => "drop",
        Kind::Event => "",
    }
}

#[test]
fn fates_are_called_by_their_names() {
    for (id, names) in documented() {
        assert!(names.iter().any(|(_, reason)| reason.kind() != Kind::Event), "{id} names no fate");
        for (before, reason) in names {
            let fate = word(reason.kind());
            let stands =
                if fate.is_empty() { !["pass", "forward", "drop"].contains(&before) } else { before == fate };
            assert!(stands, "{id} says \"{before} {}\", which is no {before}", reason.name());
        }
    }
}

#[test]
fn every_counter_is_documented() {
    let fates: BTreeSet<_> = documented().into_values().flatten().map(|(_, reason)| reason).collect();
    let events: BTreeSet<_> =
        tables(PAGE, "event").iter().flat_map(|cells| quoted(cells[1])).map(|(_, name)| name).collect();
    for reason in Reason::ALL {
        match reason.kind() {
            Kind::Event => assert!(events.contains(reason.name()), "no event {}", reason.name()),
            _ => assert!(fates.contains(reason), "no row names {}", reason.name()),
        }
    }
    for name in events {
        let known = reason(name).unwrap_or_else(|| panic!("{name} is no counter"));
        assert_eq!(known.kind(), Kind::Event, "{name} is a fate, not an event");
    }
}

#[test]
fn every_row_of_the_page_is_proved() {
    let mut shown: BTreeMap<String, BTreeSet<Reason>> = BTreeMap::new();
    let page = documented();
    let mut lies = Vec::new();
    for row in rows::all() {
        if row.proves.is_empty() {
            lies.push(format!("test row {:?} proves no row of the page", row.name));
        }
        for id in &row.proves {
            if !page.contains_key(id.as_str()) {
                lies.push(format!("test row {:?} proves {id}, which the page does not have", row.name));
            }
            shown.entry(id.clone()).or_default().extend(row.counts());
        }
    }
    for (id, test) in PROVED_ELSEWHERE {
        assert!(test.contains(&format!("Proves `{id}`")), "no test says that it proves {id}");
        assert!(!shown.contains_key(id), "{id} is proved by a row, too");
        shown.insert(id.to_owned(), page[id].iter().map(|(_, reason)| *reason).collect());
    }
    for (id, names) in page {
        let Some(counted) = shown.get(id) else {
            lies.push(format!("no test row proves {id}"));
            continue;
        };
        let missing = names.iter().filter(|(_, reason)| !counted.contains(reason));
        lies.extend(
            missing.map(|(_, reason)| format!("no test row that proves {id} counts {}", reason.name())),
        );
    }
    assert!(lies.is_empty(), "docs/packets.md and the test rows disagree:\n  {}", lies.join("\n  "));
}

#[test]
fn every_event_is_shown() {
    let shown: BTreeSet<_> = rows::all().iter().flat_map(table::Row::counts).collect();
    let elsewhere = |reason: &Reason| {
        PROVED_ELSEWHERE.iter().any(|(id, _)| documented()[id].iter().any(|(_, named)| named == reason))
    };
    let missing: Vec<_> =
        Reason::ALL.iter().filter(|reason| !shown.contains(reason) && !elsewhere(reason)).collect();
    assert!(missing.is_empty(), "no test row counts {missing:?}");
}
