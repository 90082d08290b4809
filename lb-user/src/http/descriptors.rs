//! Open files, shared out: connections of clients and to backends take from the same limit, whoever has more of them.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tracing::{info, warn};

/// What a process may have open where nobody says it.
const FILES: u64 = 1024;
/// One of so many is left to health checks, services that come later, snapshots and commands, beside what is open already.
const FOR_OTHERS: u64 = 10;
/// The part of them that clients leave to backends: a client who waits for his next request needs one descriptor, one who
/// is served needs two.
const FOR_BACKENDS: usize = 4;
/// How often is looked whether there is room again.
const PAUSE: Duration = Duration::from_millis(100);
/// So long after it was said that there is none it is not said again.
const SILENCE: Duration = Duration::from_secs(60);

/// Those that are left to connections of all workers.
#[derive(Debug, Clone)]
pub(super) struct Descriptors {
    free: Arc<Semaphore>,
    all: usize,
    /// When it was said that they are scarce.
    said: Arc<Mutex<Option<Instant>>>,
}

/// The right to one connection, for as long as it lives.
pub(super) type Descriptor = OwnedSemaphorePermit;

impl Descriptors {
    /// As many as the process may have beside what is open now.
    pub(super) fn allowed() -> Self {
        let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(FILES, |(now, _)| now);
        let others = files / FOR_OTHERS + open();
        let all = usize::try_from(files.saturating_sub(others)).unwrap_or(usize::MAX);
        info!("at most {all} connections of HTTP services at once, by the limit of {files} open files");
        Self::new(all)
    }

    pub(super) fn new(all: usize) -> Self {
        let all = all.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(all)), all, said: Arc::default() }
    }

    /// The rest is for backends: no client is taken in, and no connection kept that no request needs.
    pub(super) fn are_scarce(&self) -> bool {
        self.free.available_permits() <= self.all / FOR_BACKENDS
    }

    /// Resolves once a client may be taken in.
    pub(super) async fn allow_clients(&self) {
        while self.are_scarce() {
            self.say_so();
            sleep(PAUSE).await;
        }
    }

    /// Says that clients wait, not too often: there may be many, and listeners of many workers.
    fn say_so(&self) {
        let mut said = self.said.lock().expect("nobody panics with it");
        if said.is_none_or(|at| at.elapsed() > SILENCE) {
            warn!("no room for more connections: clients wait until others leave");
            *said = Some(Instant::now());
        }
    }

    /// One, if there is any.
    pub(super) fn take(&self) -> Option<Descriptor> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// One, as soon as there is any.
    pub(super) async fn wait(&self) -> Descriptor {
        Arc::clone(&self.free).acquire_owned().await.expect("it is never closed")
    }
}

/// Raises the process's limit of open files as far as it may be: for listening sockets, too.
pub fn raise_limit() {
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    if let Err(error) = limit.and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most)) {
        warn!("the limit of open files stays as low as it is: {error}");
    }
}

/// Files that the process has open.
fn open() -> u64 {
    fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_leave_some_to_backends() {
        let descriptors = Descriptors::new(8);
        let mut taken = Vec::new();
        while !descriptors.are_scarce() {
            taken.push(descriptors.wait().await);
        }
        assert_eq!(taken.len(), 6);
        taken.extend([descriptors.wait().await, descriptors.wait().await]);

        let waiting = tokio::spawn({
            let descriptors = descriptors.clone();
            async move { descriptors.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        taken.pop();
        drop((taken, waiting.await.unwrap()));
        assert!(!descriptors.are_scarce());
    }
}
