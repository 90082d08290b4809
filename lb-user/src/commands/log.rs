//! The log of the commands that go on until they are stopped.

use tracing_subscriber::EnvFilter;

/// Logs to standard error from here on. `RUST_LOG` sets what (default `info`).
pub(super) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_ansi(is_terminal)
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
}
