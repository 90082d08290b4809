//! What a start that finds no maps puts into its new ones.

use std::{
    fs::File,
    io::{self, BufReader},
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_common::tables::Store;
use tracing::{info, warn};

use super::{
    core::Core,
    snapshot::{entry, homes, rfc3339},
};
use crate::{
    api, clock,
    dataplane::{Former, Name},
    health::BackendKey,
    snapshot::{self, Damage, FILE, Moment, Room, Snapshot, Tally},
};

/// Bytes read in one go.
const BUFFER: usize = 1 << 18;

impl Core {
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
        self.program.kernel.sessions.store(Store::Pins, &pins)?;
        self.program.kernel.sessions.store(Store::Affinity, &affinity)?;
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
