//! `limpet backend`.

use std::io::{self, Write};

use super::words::{count, plural};
use crate::api::{Backend, BackendState, Reloaded};

/// Writes what changed.
///
/// # Errors
/// When the text can't be written.
pub fn render(done: &Reloaded, out: &mut impl Write) -> io::Result<()> {
    if done.changes.is_empty() {
        return writeln!(out, "nothing to change: it is so already");
    }
    done.changes.iter().try_for_each(|change| writeln!(out, "{change}"))
}

/// Writes what is left on a backend that is being drained.
///
/// # Errors
/// When the text can't be written.
pub fn draining(backend: &Backend, out: &mut impl Write) -> io::Result<()> {
    let left = backend.runtime.and_then(|change| change.deadline_left_s);
    let deadline = left.map(|left| format!(", {} s to the deadline", count(left))).unwrap_or_default();
    let (sessions, flows) = (plural(backend.sessions, "session"), plural(backend.flows, "connection"));
    writeln!(out, "{sessions} and {flows} left on {}{deadline}", backend.name)
}

/// Writes how a drain ended.
///
/// # Errors
/// When the text can't be written.
pub fn drained(backend: &Backend, out: &mut impl Write) -> io::Result<()> {
    let Backend { name, state, sessions, flows, .. } = backend;
    if (*sessions, *flows) == (0, 0) {
        return writeln!(out, "nobody is left on {name}");
    }
    let left = format!("{} and {}", plural(*sessions, "session"), plural(*flows, "connection"));
    match state {
        BackendState::Disabled => writeln!(out, "{name} is disabled; {left} were still there"),
        state => writeln!(out, "{name} is {}; {left} are there", state.name()),
    }
}
