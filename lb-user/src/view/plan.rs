//! `limpet plan`.

use std::io::{self, Write};

use comfy_table::Cell;

use super::{
    figure, table,
    words::{count, percent, plural},
};
use crate::api::{Forecast, SessionForecast};

/// Writes the changes, who would move, and how the backends' sessions would change.
///
/// # Errors
/// When the text can't be written.
pub fn render(forecast: &Forecast, out: &mut impl Write) -> io::Result<()> {
    let Forecast { changes, sessions, backends } = forecast;
    if changes.is_empty() {
        writeln!(out, "nothing would change: what runs is what the file says")?;
    }
    changes.iter().try_for_each(|change| writeln!(out, "{change}"))?;
    let SessionForecast { total, moved, by_reason, biggest } = sessions;
    let share = percent(*moved as f64 / (*total).max(1) as f64);
    writeln!(out, "\n{} of {} would move ({share})", count(*moved), plural(*total, "live session"))?;
    by_reason.iter().try_for_each(|(reason, moved)| writeln!(out, "  {}: {}", reason, count(*moved)))?;
    if !biggest.is_empty() {
        let mut table = table();
        let texts = ["biggest clients", "of", "from", "to"].map(Cell::new);
        table.set_header(texts.into_iter().chain([figure("conns"), Cell::new("why")]));
        for client in biggest {
            table.add_row([
                Cell::new(client.client),
                Cell::new(&client.service),
                Cell::new(&client.from),
                Cell::new(client.to.as_deref().unwrap_or("-")),
                figure(count(client.connections)),
                Cell::new(&client.reason),
            ]);
        }
        writeln!(out, "\n{}", table.trim_fmt())?;
    }
    if backends.iter().all(|backend| backend.before == backend.after) {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = table();
    let figures = ["sessions now", "then"];
    table.set_header(["service", "backend"].map(Cell::new).into_iter().chain(figures.map(figure)));
    for backend in backends {
        table.add_row([
            Cell::new(&backend.service),
            Cell::new(&backend.backend),
            figure(count(backend.before)),
            figure(count(backend.after)),
        ]);
    }
    writeln!(out, "{}", table.trim_fmt())
}
