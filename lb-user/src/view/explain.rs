//! `limpet explain`.

use std::io::{self, Write};

use super::{table, words::time};
use crate::api::Explanation;

/// Writes the sentences, then the facts as a table.
///
/// # Errors
/// When the text can't be written.
pub fn render(explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    let Explanation {
        text,
        backend,
        reason,
        denied,
        hash_backend,
        if_backend_fails,
        if_backend_drains,
        idle_left_s,
        lifetime_left_s,
        ..
    } = explanation;
    for sentence in text {
        writeln!(out, "{sentence}")?;
    }
    let mut table = table();
    table.add_row(["backend", backend.as_deref().unwrap_or("-")]);
    table.add_row(["decided by", reason.name()]);
    if *denied {
        table.add_row(["access", "denied"]);
    }
    if let Some(other) = hash_backend {
        table.add_row(["by hash alone", other]);
    }
    if let (Some(backend), Some(other)) = (backend, if_backend_fails) {
        table.add_row([&format!("if {backend} fails"), other]);
    }
    if let (Some(backend), Some(other)) = (backend, if_backend_drains) {
        table.add_row([&format!("if {backend} drains"), other]);
    }
    for (what, left) in [("idle time left", idle_left_s), ("lifetime left", lifetime_left_s)] {
        if let Some(left) = left {
            table.add_row([what, &time(*left)]);
        }
    }
    writeln!(out, "\n{}", table.trim_fmt())
}
