//! `limpet sessions crowds`.

use std::io::{self, Write};

use super::{figure, table, words::count};
use crate::api::Crowds;

/// Writes the clients, and what can be done about them.
///
/// # Errors
/// When the text can't be written.
pub fn render(crowds: &Crowds, out: &mut impl Write) -> io::Result<()> {
    if crowds.crowds.is_empty() {
        return writeln!(out, "No client carries that much.");
    }
    let mut table = table();
    table.set_header(
        ["service", "client", "backend"].map(Into::into).into_iter().chain(["conns", "share"].map(figure)),
    );
    for crowd in &crowds.crowds {
        table.add_row([
            crowd.service.clone().into(),
            crowd.client.to_string().into(),
            crowd.backend.clone().unwrap_or_else(|| "-".to_owned()).into(),
            figure(count(crowd.connections)),
            figure(format!("{:.1}%", crowd.share)),
        ]);
    }
    writeln!(out, "{}\n", table.trim_fmt())?;
    writeln!(
        out,
        "Behind such an address may be many people, whom no address tells apart. If their sessions need not last, let \n\
         idle_timeout be short; by = \"connection\" spreads them over all backends. If it is a provider whose customers \n\
         change their addresses, a [[service.persistence.mask]] for its prefix keeps each network together."
    )
}
