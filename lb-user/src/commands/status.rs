//! `limpet status`: what runs, and how it fares.

use std::{path::Path, process::ExitCode};

use super::ask::ask;
use crate::{api::Client, cli::StatusArgs, view};

/// Prints the status of the daemon at `socket`.
///
/// # Errors
/// When the daemon can't be asked or the answer can't be printed.
pub fn run(socket: &Path, args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(socket);
    ask(client.status(), args.json, view::status)
}
