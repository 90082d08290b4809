//! Log lines of the packet program, in builds that have them (`cargo xtask build --log`).

use anyhow::{Context as _, Result};
use aya_log::EbpfLogger;
use tokio::io::{Interest, unix::AsyncFd};

use super::Program;

impl Program {
    /// Passes the packet program's log lines on, at level `debug`, for as long as the runtime lives.
    /// Nothing happens where the program was built without them. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// The ring buffer can't be watched.
    pub fn forward_log(&mut self) -> Result<()> {
        let Ok(logger) = EbpfLogger::init(&mut self.ebpf) else { return Ok(()) };
        // SAFETY: the logger owns its ring buffer, whose file descriptor stays the same and open until the
        // logger is dropped with the `AsyncFd`.
        let watched = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) };
        let mut logger = watched.context("cannot watch the packet program's log")?;
        tokio::spawn(async move {
            while let Ok(mut ready) = logger.readable_mut().await {
                ready.get_inner_mut().flush();
                ready.clear_ready();
            }
        });
        Ok(())
    }
}
