//! What became of packets, by reason.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use comfy_table::Cell;

use super::{figure, table, words::count};

/// Writes a summary, and a line for each reason that was counted: `fates` are groups of reasons of which
/// each packet has one, the last group that of drops; `events` may go with any.
///
/// # Errors
/// When the text can't be written.
pub(super) fn render<N: AsRef<str> + Ord>(
    fates: &[(&str, &BTreeMap<N, u64>)],
    events: &BTreeMap<N, u64>,
    meaning: impl Fn(&str) -> &'static str,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut table = table();
    table.set_header([Cell::new("fate"), Cell::new("reason"), figure("count"), Cell::new("meaning")]);
    for &(fate, counts) in fates.iter().chain([&("event", events)]) {
        for (name, &number) in counts.iter().filter(|(_, number)| **number > 0) {
            let name = name.as_ref();
            table.add_row([
                Cell::new(fate),
                Cell::new(name),
                figure(count(number)),
                Cell::new(meaning(name)),
            ]);
        }
    }
    writeln!(out, "packets: {}", summary(fates))?;
    if table.is_empty() { Ok(()) } else { writeln!(out, "{}", table.trim_fmt()) }
}

/// `12 sent on, 3 passed, none dropped`.
fn summary<N>(fates: &[(&str, &BTreeMap<N, u64>)]) -> String {
    let last = fates.len().saturating_sub(1);
    let groups = fates.iter().enumerate().map(|(at, (fate, counts))| match counts.values().sum() {
        0 if at == last => format!("none {fate}"),
        number => format!("{} {fate}", count(number)),
    });
    groups.collect::<Vec<_>>().join(", ")
}
