//! What was moved from where, on disk, so that it can be undone by a later daemon.
//!
//! Two files a move: `N.sessions` lists the sessions, written once before the first is moved; `N.json` says what the
//! move is and how far it got, and is replaced as a whole. Names stand there, not ids: they outlast a reboot.

use std::{
    fs,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::{
    api::{Move, MoveState},
    clock,
};

/// Moves that are remembered.
const MOST: usize = 100;
/// For how long.
const AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A backend as it was: one of its name that is elsewhere is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

/// A move and what it takes to undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) of: Move,
    pub(super) target: Place,
    /// Where sessions were, by number.
    pub(super) homes: Vec<Place>,
}

/// The directory of all moves.
#[derive(Debug)]
pub(super) struct Journal(PathBuf);

impl Journal {
    pub(super) fn new(state: &Path) -> Self {
        Self(state.join("moves"))
    }

    /// Every move that can be read, by number; those that are too old are removed.
    pub(super) fn load(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for file in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "json")
                && let Ok(text) = fs::read(file.path())
                && let Ok(entry) = serde_json::from_slice(&text)
            {
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| entry.of.id);
        self.forget(&mut entries);
        entries
    }

    /// Removes what is too old or too much.
    pub(super) fn forget(&self, entries: &mut Vec<Entry>) {
        let now = clock::seconds();
        let surplus = entries.len().saturating_sub(MOST);
        let mut at = 0;
        entries.retain(|entry| {
            at += 1;
            let is_running = entry.of.state == MoveState::Running;
            let keep = is_running || at > surplus && now.saturating_sub(entry.of.ordered_at) <= AGE.as_secs();
            if !keep {
                for path in [self.head(entry.of.id), self.list(entry.of.id)] {
                    let _gone = fs::remove_file(path);
                }
            }
            keep
        });
    }

    /// Writes a new move: each session by its client and the number of its home.
    pub(super) fn begin(&self, entry: &Entry, sessions: &[(IpAddr, u32)]) -> Result<()> {
        fs::create_dir_all(&self.0).with_context(|| format!("cannot create {}", self.0.display()))?;
        let mut file = BufWriter::new(NamedTempFile::new_in(&self.0)?);
        for (client, home) in sessions {
            writeln!(file, "{client} {home}")?;
        }
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(self.list(entry.of.id))?;
        self.note(entry)?;
        Ok(fs::File::open(&self.0)?.sync_all()?)
    }

    /// Replaces what is known of a move.
    pub(super) fn note(&self, entry: &Entry) -> Result<()> {
        let mut file = NamedTempFile::new_in(&self.0)?;
        serde_json::to_writer(&mut file, entry)?;
        file.as_file().sync_data()?;
        file.persist(self.head(entry.of.id))?;
        Ok(())
    }

    /// The sessions of a move.
    pub(super) fn sessions(&self, id: u64) -> Result<Vec<(IpAddr, u32)>> {
        let path = self.list(id);
        let file = fs::File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut sessions = Vec::new();
        for line in BufReader::new(file).lines() {
            let line = line?;
            let parsed = line
                .split_once(' ')
                .and_then(|(client, home)| Some((client.parse().ok()?, home.parse().ok()?)));
            sessions.push(parsed.with_context(|| format!("{} is broken: {line:?}", path.display()))?);
        }
        Ok(sessions)
    }

    fn head(&self, id: u64) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    fn list(&self, id: u64) -> PathBuf {
        self.0.join(format!("{id}.sessions"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64, ordered_at: u64) -> Entry {
        let place = |name: &str| Place { name: name.into(), address: [10, 0, 0, 1].into(), port: Some(80) };
        let of = Move {
            id,
            service: "web".into(),
            to: "b".into(),
            ordered_at,
            total: 2,
            moved: 1,
            skipped: 0,
            state: MoveState::Done,
        };
        Entry { of, target: place("b"), homes: vec![place("a")] }
    }

    #[test]
    fn what_is_written_is_read_and_the_old_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::new(directory.path());
        assert_eq!(journal.load(), []);
        let sessions: Vec<(IpAddr, u32)> =
            vec![("198.51.100.7".parse().unwrap(), 0), ("::7".parse().unwrap(), 1)];
        let now = clock::seconds();
        journal.begin(&entry(1, now - AGE.as_secs() - 60), &sessions).unwrap();
        for id in 2..=MOST as u64 + 3 {
            journal.begin(&entry(id, now), &sessions).unwrap();
        }
        let loaded = journal.load();
        assert_eq!((loaded.len(), &loaded[0]), (MOST, &entry(4, now)));
        assert_eq!(journal.sessions(4).unwrap(), sessions);
        assert!(journal.sessions(1).is_err() && journal.sessions(3).is_err());
    }
}
