//! `limpet run`: the daemon.

use std::{path::Path, process::ExitCode};

use tracing_subscriber::EnvFilter;

use crate::{cli::RunArgs, daemon};

/// Runs the daemon in the foreground. `RUST_LOG` sets what it logs (default `info`).
///
/// # Errors
/// See [`daemon::run`].
pub fn run(socket: &Path, args: &RunArgs) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_ansi(is_terminal)
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    tokio::runtime::Runtime::new()?.block_on(daemon::run(args, socket))
}
