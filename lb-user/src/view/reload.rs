//! `limpet reload`, and what the daemon refuses.

use std::io::{self, Write};

use crate::api::{Refusal, Reloaded};

/// Writes what changed.
///
/// # Errors
/// When the text can't be written.
pub fn render(reloaded: &Reloaded, out: &mut impl Write) -> io::Result<()> {
    if reloaded.changes.is_empty() {
        return writeln!(out, "nothing to change: what runs is what the file says");
    }
    reloaded.changes.iter().try_for_each(|change| writeln!(out, "{change}"))
}

/// Writes every error of the configuration as `check` does, then why nothing was done.
///
/// # Errors
/// When the text can't be written.
pub fn refusal(refusal: &Refusal, out: &mut impl Write) -> io::Result<()> {
    refusal.errors.iter().try_for_each(|error| writeln!(out, "{error}"))?;
    writeln!(out, "error: {}", refusal.message)
}
