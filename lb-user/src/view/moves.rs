//! `limpet sessions show`, `move`, `moves` and `undo`.

use std::{
    io::{self, Write},
    time::{Duration, UNIX_EPOCH},
};

use super::{
    figure, table,
    words::{count, plural, time},
};
use crate::api::{Move, MoveState, Moves, ShownSession, Undone};

/// Writes everything that is known about a client's sessions.
///
/// # Errors
/// When the text can't be written.
pub fn shown(sessions: &[ShownSession], out: &mut impl Write) -> io::Result<()> {
    for (index, ShownSession { listed, created_at, seen_at, text }) in sessions.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        let session = &listed.session;
        let mut table = table();
        let lifetime =
            listed.lifetime_left_s.map_or("no bound".to_owned(), |left| format!("{} left", time(left)));
        for (name, value) in [
            ("service", listed.service.clone()),
            ("client", listed.client.to_string()),
            ("backend", session.backend.clone().unwrap_or_else(|| "-".to_owned())),
            ("decides", if session.valid { "yes" } else { "no" }.to_owned()),
            ("proven", if session.proven { "yes" } else { "no" }.to_owned()),
            ("created", format!("{}, {} ago", wall(*created_at), time(session.age_s))),
            ("last seen", format!("{}, {} ago", wall(*seen_at), time(session.idle_s))),
            ("idle timeout", format!("{} left", time(listed.idle_left_s))),
            ("lifetime", lifetime),
        ] {
            table.add_row([name.to_owned(), value]);
        }
        writeln!(out, "{}", table.trim_fmt())?;
        text.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(())
}

/// Writes what a move is about.
///
/// # Errors
/// When the text can't be written.
pub fn moving(of: &Move, out: &mut impl Write) -> io::Result<()> {
    let sessions = plural(of.total, "session");
    if of.state == MoveState::Planned {
        return writeln!(out, "{sessions} of {} would be moved to {}", of.service, of.to);
    }
    writeln!(
        out,
        "move {}: {sessions} of {} to {}; `limpet sessions moves` says how far it is, `limpet sessions undo {}` takes it back",
        of.id, of.service, of.to, of.id
    )
}

/// Writes the moves that are remembered.
///
/// # Errors
/// When the text can't be written.
pub fn moves(Moves { moves }: &Moves, out: &mut impl Write) -> io::Result<()> {
    if moves.is_empty() {
        return writeln!(out, "no moves are remembered");
    }
    let mut table = table();
    table.set_header(["move", "ordered", "service", "to", "state", "sessions", "moved", "skipped"]);
    for Move { id, service, to, ordered_at, total, moved, skipped, state } in moves {
        let words = [id.to_string(), wall(*ordered_at), service.clone(), to.clone(), state.name().to_owned()];
        table.add_row(
            words.into_iter().map(Into::into).chain([total, moved, skipped].map(|it| figure(count(*it)))),
        );
    }
    writeln!(out, "{}", table.trim_fmt())
}

/// Writes what was moved back.
///
/// # Errors
/// When the text can't be written.
pub fn undone(Undone { id, back, kept }: &Undone, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "move {id} is undone: {} back", plural(*back, "session"))?;
    kept.iter().try_for_each(|(why, sessions)| writeln!(out, "  {} not: {why}", count(*sessions)))
}

/// Seconds since 1970, as people write them.
fn wall(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
