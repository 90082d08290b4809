//! Snapshots of sessions: when they are written, and what a start takes from one.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader},
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use lb_common::{
    state::{Backend, BackendId},
    tables::Store,
};
use tokio::{task::JoinHandle, time::Instant};
use tracing::{info, warn};

use super::{clock, core::Core};
use crate::{
    api,
    dataplane::{Former, Name, SessionMaps, StoredSession},
    health::BackendKey,
    snapshot::{self, Damage, Entry, FILE, Home, Moment, Room, Snapshot, Tally, Totals},
};

/// Bytes read in one go.
const BUFFER: usize = 1 << 18;

/// What is known of snapshots.
#[derive(Debug)]
pub(super) struct Snapshots {
    directory: PathBuf,
    /// When one was begun last; the first is due an interval after the start.
    begun: Instant,
    under_way: Option<JoinHandle<Result<Written>>>,
    last: Option<Written>,
    /// Why there is no newer one.
    error: Option<String>,
    restored: Option<api::RestoredSessions>,
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
        let maps = match self.program.kernel.session_maps() {
            Ok(maps) => maps,
            Err(error) => return self.snapshots.note(Err(error)),
        };
        let backends = self.state.backends.iter();
        let homes = homes(backends.map(|(key, backend)| (key.clone(), backend.id, &backend.recipe)));
        let directory = self.snapshots.directory.clone();
        let write = move || write(&directory, &maps, &homes);
        self.snapshots.under_way = Some(tokio::task::spawn_blocking(write));
    }

    /// Fills new maps from those whose place they take, or else from the last snapshot. Packets must not come yet.
    pub(super) fn restore_sessions(&mut self) {
        if self.program.adopted {
            return;
        }
        let restored =
            match self.program.former().and_then(|former| former.as_ref().map(of_former).transpose()) {
                Ok(Some((layout, snapshot))) => self.restore(&snapshot, Some(layout)),
                Ok(None) => self.restore_file(),
                Err(error) => {
                    warn!(
                        "the older layout's sessions can't be had, the last snapshot's are taken: {error:#}"
                    );
                    self.restore_file()
                }
            };
        match restored {
            Ok(restored) => self.snapshots.restored = restored,
            Err(error) => {
                warn!("no sessions are restored: {error:#}. Clients are chosen for anew");
            }
        }
    }

    fn restore_file(&mut self) -> Result<Option<api::RestoredSessions>> {
        if self.model.snapshot_interval.is_none() {
            return Ok(None);
        }
        let path = self.snapshots.directory.join(FILE);
        let found = match File::open(&path) {
            Ok(file) => snapshot::read(BufReader::with_capacity(BUFFER, file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error.into()),
        };
        self.restore(&found.with_context(|| path.display().to_string())?, None)
    }

    /// `layout` is that of the maps that the sessions are from; `None`: a file.
    fn restore(&mut self, snapshot: &Snapshot, layout: Option<u32>) -> Result<Option<api::RestoredSessions>> {
        let limits = &self.model.limits;
        let room = Room { pins: limits.pins as usize, affinity: limits.affinity as usize };
        let now = clock::moment();
        let snapshot::Restored { pins, affinity, tally } =
            snapshot::restore(snapshot, &self.state, now, room);
        self.program.kernel.store_sessions(Store::Pins, &pins)?;
        self.program.kernel.store_sessions(Store::Affinity, &affinity)?;
        let said = describe(snapshot, layout, &tally, now);
        if snapshot.damage == Damage::default() && tally.ahead_s == 0 {
            info!("{said}");
        } else {
            warn!("{said}");
        }
        let Tally { restored, expired, gone, changed, no_room, unknown, ahead_s } = tally;
        let Damage { blocks, cut_short, sessions } = snapshot.damage;
        Ok(Some(api::RestoredSessions {
            layout,
            written: rfc3339(snapshot.written),
            sessions: restored,
            expired,
            gone,
            changed,
            no_room,
            unknown: unknown + sessions,
            damaged_blocks: blocks,
            cut_short,
            ahead_s,
        }))
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
type Homes = (Vec<Home>, HashMap<(BackendId, u32), u32>);

fn homes<'b>(backends: impl Iterator<Item = (BackendKey, BackendId, &'b Backend)>) -> Homes {
    let (mut homes, mut places) = Homes::default();
    for (place, (key, id, recipe)) in (0..).zip(backends) {
        places.insert((id, recipe.generation), place);
        homes.push(Home::new(key, recipe));
    }
    (homes, places)
}

/// As in the file; `None` of a home that is gone: it decides nothing any more.
fn entry(session: &StoredSession, (_, places): &Homes, now: Moment) -> Option<Entry> {
    let pin = &session.pin;
    let &home = places.get(&(pin.backend, pin.generation))?;
    let (created, seen) = (now.wall_at(pin.created), now.wall_at(pin.seen));
    Some(Entry { client: session.key.client, home, created, seen, connections: 0 })
}

fn write(directory: &Path, maps: &SessionMaps, homes: &Homes) -> Result<Written> {
    let began = Instant::now();
    let now = clock::moment();
    let totals = snapshot::save(directory, now.wall, &homes.0, |writer| {
        maps.for_each(|session| {
            if let Some(entry) = entry(session, homes, now) {
                writer.add(session.store, entry);
            }
        })
    })?;
    Ok(Written { at: now.wall, totals, took: began.elapsed() })
}

/// What an older layout's maps hold, as if it were read from a file, and which layout it is.
fn of_former(former: &Former) -> Result<(u32, Snapshot)> {
    let now = clock::moment();
    let key = |name: &Name| BackendKey { service: name.service(), backend: name.backend() };
    let homes = homes(former.backends.iter().map(|(id, name, recipe)| (key(name), *id, recipe)));
    let mut snapshot = Snapshot { written: now.wall, ..Snapshot::default() };
    former.for_each(|session| {
        if let Some(entry) = entry(session, &homes, now) {
            match session.store {
                Store::Pins => snapshot.pins.push(entry),
                Store::Affinity => snapshot.affinity.push(entry),
            }
        }
    })?;
    snapshot.homes = (0..).zip(homes.0).collect();
    Ok((former.layout, snapshot))
}

/// What became of a snapshot, in one line.
fn describe(snapshot: &Snapshot, layout: Option<u32>, tally: &Tally, now: Moment) -> String {
    let Tally { restored, expired, gone, changed, no_room, unknown, ahead_s } = *tally;
    let when = match ahead_s {
        0 => {
            let age = Duration::from_secs(now.wall.saturating_sub(snapshot.written));
            format!("{} ago", humantime::format_duration(age))
        }
        ahead => format!(
            "{} in the future, so the wall clock was set back: it counts as written now",
            humantime::format_duration(Duration::from_secs(ahead))
        ),
    };
    let left_out: Vec<_> = [
        (expired, "expired"),
        (gone, "of services or backends that are gone"),
        (changed, "of backends that are others by now (address, port or forwarding)"),
        (no_room, "beyond [limits] pins and affinity"),
        (unknown + snapshot.damage.sessions, "in damaged blocks or of names in such"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, why)| format!("{count} {why}"))
    .collect();
    let source = match layout {
        Some(layout) => format!("an earlier run's maps (layout v{layout})"),
        None => format!("the snapshot of {} ({when})", rfc3339(snapshot.written)),
    };
    let mut said = format!("restored {restored} sessions of {source}");
    if !left_out.is_empty() {
        said += &format!("; left out: {}", left_out.join(", "));
    }
    let Damage { blocks, cut_short, .. } = snapshot.damage;
    if blocks > 0 {
        said += &format!("; {blocks} blocks of the file are damaged");
    }
    if cut_short {
        said += "; the file is cut short, what followed is lost";
    }
    said
}

fn rfc3339(seconds: u64) -> String {
    // What a damaged clock may say is beyond the calendar.
    let time = UNIX_EPOCH + Duration::from_secs(seconds.min(u32::MAX.into()));
    humantime::format_rfc3339_seconds(time).to_string()
}
