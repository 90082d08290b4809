//! `limpet reload`: apply the changed configuration file.

use std::{path::Path, process::ExitCode};

use super::ask::ask;
use crate::{api::Client, cli::ReloadArgs, view};

/// Tells the daemon at `socket` to reload and prints what changed; exit code 1 if it refused, with every error
/// of the file.
///
/// # Errors
/// When the daemon can't be told or the answer can't be printed.
pub fn run(socket: &Path, args: &ReloadArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(socket);
    ask(client.reload(), args.json, view::reload)
}
