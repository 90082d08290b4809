//! The log of the commands that go on until they are stopped.

use tracing_subscriber::EnvFilter;

/// What `netlink_proto` warns of is answers that nobody waits for any more, as at the end of a run.
const DEFAULT: &str = "info,netlink_proto=error";

/// Logs to standard error from here on. `RUST_LOG` sets what (default `info`).
pub(super) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_ansi(is_terminal)
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
}
