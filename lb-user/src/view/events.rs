//! `limpet events`.

use std::io::{self, Write};

use crate::api::Broken;

/// Writes one line.
///
/// # Errors
/// When the text can't be written.
pub fn render(event: &Broken, out: &mut impl Write) -> io::Result<()> {
    let Broken { number: _, time, service, client, cause, old, new } = event;
    let client = if client.prefix_len() == client.max_prefix_len() {
        client.addr().to_string()
    } else {
        client.to_string()
    };
    let time = humantime::format_rfc3339_seconds(*time);
    let [old, new] = [old, new].map(|name| name.as_deref().unwrap_or("-"));
    writeln!(out, "{time}  {service}  {client}  {cause}: {old} -> {new}")
}
