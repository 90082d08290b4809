//! Snapshots of sessions: when they are written, and what is known of them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use lb_common::state::{Backend, BackendId};
use tokio::{task::JoinHandle, time::Instant};
use tracing::{info, warn};

use super::core::Core;
use crate::{
    api, clock,
    dataplane::{Sessions, StoredSession},
    health::BackendKey,
    snapshot::{self, Entry, FILE, Home, Moment, Totals},
};

/// What is known of snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    pub(super) directory: PathBuf,
    /// When one was begun last; the first is due an interval after the start.
    begun: Instant,
    under_way: Option<JoinHandle<Result<Written>>>,
    last: Option<Written>,
    /// Why there is no newer one.
    error: Option<String>,
    pub(super) restored: Option<api::RestoredSessions>,
}

/// A snapshot that is on disk.
#[derive(Debug)]
pub(super) struct Written {
    /// Seconds since 1970.
    at: u64,
    totals: Totals,
    took: Duration,
}

/// What is to be done next.
#[derive(Debug)]
pub(super) enum Event {
    /// It is time for another one.
    Due,
    /// One was written, or could not be.
    Written(Result<Written>),
}

impl Snapshots {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, begun: Instant::now(), under_way: None, last: None, error: None, restored: None }
    }

    /// Waits for what is to be done next. May be called off at any time.
    pub(super) async fn next(&mut self, interval: Option<Duration>) -> Event {
        match (&mut self.under_way, interval) {
            (Some(task), _) => {
                let outcome = task.await.context("the snapshot's thread ended").flatten();
                self.under_way = None;
                Event::Written(outcome)
            }
            (None, Some(interval)) => {
                tokio::time::sleep_until(self.begun + interval).await;
                Event::Due
            }
            (None, None) => std::future::pending().await,
        }
    }

    /// Says so when it fails for the first time, and when it works again.
    fn note(&mut self, outcome: Result<Written>) {
        match outcome {
            Ok(written) => {
                if self.error.take().is_some() {
                    info!("snapshots of sessions are written again");
                }
                self.last = Some(written);
            }
            Err(error) => {
                let error = format!("{error:#}");
                if self.error.is_none() {
                    warn!(
                        "no snapshot of sessions: {error}. Traffic goes on; a reboot would lose the sessions since the \
                         last one. Make room in {} or name another directory with --state; this is tried again, and \
                         said once",
                        self.directory.display()
                    );
                }
                self.error = Some(error);
            }
        }
    }
}

impl Core {
    /// Does what is to be done about snapshots.
    pub(super) fn snapshot(&mut self, event: Event) {
        match event {
            Event::Due => self.begin_snapshot(),
            Event::Written(outcome) => self.snapshots.note(outcome),
        }
    }

    /// Writes the last one, after that which is under way.
    pub(super) async fn last_snapshot(&mut self) {
        self.await_snapshot().await;
        if self.model.snapshot_interval.is_some() {
            self.begin_snapshot();
            self.await_snapshot().await;
        }
    }

    async fn await_snapshot(&mut self) {
        if self.snapshots.under_way.is_some() {
            let event = self.snapshots.next(None).await;
            self.snapshot(event);
        }
    }

    /// Has another thread read the maps and write the file: here it takes no longer than to list the backends.
    fn begin_snapshot(&mut self) {
        self.snapshots.begun = Instant::now();
        let sessions = match self.program.kernel.sessions.try_clone() {
            Ok(sessions) => sessions,
            Err(error) => return self.snapshots.note(Err(error)),
        };
        let backends = self.state.backends.iter();
        let homes = homes(backends.map(|(key, backend)| (key.clone(), backend.id, &backend.recipe)));
        let directory = self.snapshots.directory.clone();
        let write = move || write(&directory, &sessions, &homes);
        self.snapshots.under_way = Some(tokio::task::spawn_blocking(write));
    }

    /// What `status` says of snapshots.
    pub(super) fn snapshot_status(&self) -> api::Snapshot {
        let Snapshots { directory, last, error, restored, .. } = &self.snapshots;
        api::Snapshot {
            path: directory.join(FILE).display().to_string(),
            interval_s: self.model.snapshot_interval.map(|interval| interval.as_secs_f64()),
            written: last.as_ref().map(|last| rfc3339(last.at)),
            sessions: last.as_ref().map_or(0, |last| last.totals.sessions),
            bytes: last.as_ref().map_or(0, |last| last.totals.bytes),
            took_s: last.as_ref().map_or(0.0, |last| last.took.as_secs_f64()),
            error: error.clone(),
            restored: restored.clone(),
        }
    }
}

/// The table of homes, and where in it each backend of a generation is.
pub(super) type Homes = (Vec<Home>, HashMap<(BackendId, u32), u32>);

/// Of these backends.
pub(super) fn homes<'b>(backends: impl Iterator<Item = (BackendKey, BackendId, &'b Backend)>) -> Homes {
    let (mut homes, mut places) = Homes::default();
    for (place, (key, id, recipe)) in (0..).zip(backends) {
        places.insert((id, recipe.generation), place);
        homes.push(Home::new(key, recipe));
    }
    (homes, places)
}

/// As in the file; `None` of a home that is gone: it decides nothing any more.
pub(super) fn entry(session: &StoredSession, (_, places): &Homes, now: Moment) -> Option<Entry> {
    let pin = &session.pin;
    let &home = places.get(&(pin.backend, pin.generation))?;
    let (created, seen) = (now.wall_at(pin.created), now.wall_at(pin.seen));
    let connections = u32::try_from(pin.connections).unwrap_or(u32::MAX);
    Some(Entry { client: session.key.client, home, created, seen, connections })
}

fn write(directory: &Path, sessions: &Sessions, homes: &Homes) -> Result<Written> {
    let began = Instant::now();
    let now = clock::moment();
    let totals = snapshot::save(directory, now.wall, &homes.0, |writer| {
        sessions.for_each(|session| {
            if let Some(entry) = entry(session, homes, now) {
                writer.add(session.store, entry);
            }
        })
    })?;
    Ok(Written { at: now.wall, totals, took: began.elapsed() })
}

/// Seconds since 1970 as people and programs read them.
pub(super) fn rfc3339(seconds: u64) -> String {
    // What a damaged clock may say is beyond the calendar.
    let time = UNIX_EPOCH + Duration::from_secs(seconds.min(u32::MAX.into()));
    humantime::format_rfc3339_seconds(time).to_string()
}
