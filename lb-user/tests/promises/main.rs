//! The promises, on random histories on the host engine. The same run in the kernel: `tests/tests/promises.rs`.

#[path = "../../../tests/src/promises/mod.rs"]
mod promises;

use promises::{Host, run};

/// Histories of a run: some 250,000 events.
const HISTORIES: u32 = 5_000;

#[test]
fn promises_are_kept() {
    let played = run(Host::new(), HISTORIES).unwrap_or_else(|what| panic!("{what}"));
    println!("{played}");
    played.check();
}
