//! `limpet sessions`.

use std::io::{self, Write};

use super::{
    table,
    words::{count, plural, time},
};
use crate::api::{Dropped, ListedSession, SessionList};

/// Writes one page, and where the next begins.
///
/// # Errors
/// When the text can't be written.
pub fn render(list: &SessionList, out: &mut impl Write) -> io::Result<()> {
    let mut table = table();
    table.set_header(["service", "client", "backend", "state", "age", "idle", "ends in"]);
    for ListedSession { service, client, session, idle_left_s, lifetime_left_s } in &list.sessions {
        let state = match (session.valid, session.proven) {
            (false, _) => "void",
            (true, true) => "proven",
            (true, false) => "unproven",
        };
        table.add_row([
            service.clone(),
            if client.prefix_len() == client.max_prefix_len() {
                client.addr().to_string()
            } else {
                client.to_string()
            },
            session.backend.clone().unwrap_or_else(|| "-".to_owned()),
            state.to_owned(),
            time(session.age_s),
            time(session.idle_s),
            time(lifetime_left_s.map_or(*idle_left_s, |left| left.min(*idle_left_s))),
        ]);
    }
    if !list.sessions.is_empty() {
        writeln!(out, "{}\n", table.trim_fmt())?;
    }
    write!(out, "{} of {}", count(list.sessions.len() as u64), plural(list.matching, "session"))?;
    match &list.next {
        Some(next) => writeln!(out, "; go on with --after {next}"),
        None => writeln!(out),
    }
}

/// Writes how many were dropped.
///
/// # Errors
/// When the text can't be written.
pub fn dropped(done: &Dropped, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{} forgotten", plural(done.sessions, "session"))
}
