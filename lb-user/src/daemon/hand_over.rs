//! One daemon takes the place of another: the listening sockets go over, so that nobody who comes meanwhile is refused,
//! and the old one serves until the new one does.

use std::{
    ffi::OsString,
    fs, io,
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::{task::spawn_blocking, time::sleep};
use tracing::info;

use super::core::Core;
use crate::api::{self, CallError, Client, HandOver, HandedOver, Refusal, SocketError};

/// The other daemon has so long to let go of everything but its open requests.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked whether it has.
const POLL: Duration = Duration::from_millis(20);

/// A socket's file that is removed again.
struct Waiting(PathBuf);

impl Drop for Waiting {
    fn drop(&mut self) {
        // It is gone, or its directory is: either way nobody finds it.
        let _ = fs::remove_file(&self.0);
    }
}

/// Asks the daemon at `socket` for its place. What it sends comes by the stream; `None`: there is nobody.
///
/// # Errors
/// It refuses, or is of a version that can't.
pub(super) async fn ask(socket: &Path) -> Result<Option<UnixStream>> {
    let mut path = OsString::from(socket);
    path.push(".next");
    let waiting = Waiting(path.into());
    let _ = fs::remove_file(&waiting.0);
    let client = Client::new(socket);
    if let Some(directory) = socket.parent() {
        fs::create_dir_all(directory)?;
    }
    let listener =
        UnixListener::bind(&waiting.0).with_context(|| format!("cannot wait at {}", waiting.0.display()))?;
    let accepted = spawn_blocking(move || listener.accept());
    match client.hand_over(&HandOver { to: waiting.0.clone() }).await {
        Ok(HandedOver { pid }) => {
            info!("takes the place of process {pid}, which ends once what it has open is done");
            let (stream, _) = accepted.await?.context("the other daemon did not come")?;
            Ok(Some(stream))
        }
        Err(CallError::NoDaemon(_)) => {
            // Wakes the thread that waits.
            drop(UnixStream::connect(&waiting.0));
            info!("there is no daemon to take the place of");
            Ok(None)
        }
        Err(error) => {
            drop(UnixStream::connect(&waiting.0));
            Err(error).context("cannot take the place of the running daemon, which goes on")
        }
    }
}

/// The control socket, once the other daemon has let go of it.
///
/// # Errors
/// It does not, or the system refuses.
pub(super) async fn bind(socket: &Path, is_taken_over: bool) -> Result<api::Socket> {
    let begun = Instant::now();
    loop {
        match api::Socket::bind(socket) {
            Err(SocketError::InUse { .. }) if is_taken_over && begun.elapsed() < PATIENCE => {
                sleep(POLL).await;
            }
            bound => return bound.context("cannot listen for commands"),
        }
    }
}

impl Core {
    /// Sends the listening sockets to the daemon that comes next, which closes the connection once it serves.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn hand_over(&self, HandOver { to }: &HandOver) -> Result<(HandedOver, UnixStream), Refusal> {
        let send = || -> io::Result<UnixStream> {
            let stream = UnixStream::connect(to)?;
            self.http.hand_over(&stream)?;
            stream.shutdown(Shutdown::Write)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let stream = send()
            .map_err(|error| Refusal::failed(format!("nobody takes over at {}: {error}", to.display())))?;
        Ok((HandedOver { pid: std::process::id() }, stream))
    }
}
