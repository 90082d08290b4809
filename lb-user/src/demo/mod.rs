//! `limpet demo`: a whole network on this machine, real traffic through the real daemon, and its promises checked
//! before the eyes of the watcher.

mod browser;
mod network;
mod round;
mod screen;
mod show;

use std::io;

use anyhow::{Result, bail, ensure};
use nix::unistd::Uid;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::{screen::Screen, show::Show};

/// Runs the demo. With `once` it ends after the show, else it stays up until Ctrl-C.
///
/// Returns whether every promise was kept; an error means that the show could not be given.
pub fn run(once: bool) -> Result<bool> {
    ensure!(
        Uid::effective().is_root(),
        "the demo makes network namespaces, which needs root: try `sudo limpet demo`"
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stop = Stop::new()?;
        // Dropping the show, however it ends, removes all that it built.
        let mut show = Show::open(Screen::stdout())?;
        let kept = tokio::select! {
            outcome = show.give() => outcome?,
            () = stop.asked() => bail!("interrupted; everything has been removed"),
        };
        if !once {
            show.print_what_to_try()?;
            stop.asked().await;
        }
        Ok(kept)
    })
}

/// Signals that ask to end. Caught from the start, so that nothing stays behind.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
