//! `limpet run`: the daemon.

use std::{path::Path, process::ExitCode};

use super::log;
use crate::{cli::RunArgs, daemon};

/// Runs the daemon in the foreground. `RUST_LOG` sets what it logs (default `info`).
///
/// # Errors
/// See [`daemon::run`].
pub fn run(socket: &Path, args: &RunArgs) -> anyhow::Result<ExitCode> {
    log::start();
    tokio::runtime::Runtime::new()?.block_on(daemon::run(args, socket))
}
