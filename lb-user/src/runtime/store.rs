//! The changes on disk, so that they outlive the daemon and the machine's next start.
//!
//! A JSON file, replaced as a whole: it is the old one or the new one, wherever a write breaks off.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{Change, Changes};
use crate::health::BackendKey;

/// Name of the file in the daemon's state directory.
const FILE: &str = "backends.json";
/// Of what is in it.
const VERSION: u32 = 1;

/// The file is there and can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct StoreError {
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    backends: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    service: String,
    backend: String,
    #[serde(flatten)]
    change: Change,
}

/// Reads what an earlier daemon left; nothing, if there is no file.
///
/// # Errors
/// The file can't be read, or is not one of ours.
pub fn load(directory: &Path) -> Result<Changes, StoreError> {
    let path = directory.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Changes::default()),
        Err(error) => return Err(StoreError { path, why: error.to_string() }),
    };
    let document: Document = match serde_json::from_slice(&text) {
        Ok(document) => document,
        Err(error) => return Err(StoreError { path, why: error.to_string() }),
    };
    if document.version != VERSION {
        let why = format!("is of version {}, and this limpet reads {VERSION}", document.version);
        return Err(StoreError { path, why });
    }
    let mut changes = Changes::default();
    for Entry { service, backend, change } in document.backends {
        let mut weights = change.weight.into_iter().chain(change.added.map(|added| added.weight));
        if weights.any(|weight| !(1..=65_535).contains(&weight)) {
            return Err(StoreError {
                path,
                why: format!("{service}/{backend} has no weight from 1 to 65535"),
            });
        }
        changes.set(BackendKey { service, backend }, change);
    }
    Ok(changes)
}

/// Writes the file and waits until it is on disk; without changes there is none.
///
/// # Errors
/// It can't be written; the old one is still there.
pub fn save(directory: &Path, changes: &Changes) -> Result<(), StoreError> {
    let path = directory.join(FILE);
    write(directory, &path, changes).map_err(|error| StoreError { path, why: error.to_string() })
}

fn write(directory: &Path, path: &Path, changes: &Changes) -> std::io::Result<()> {
    if changes.0.is_empty() {
        return match fs::remove_file(path) {
            Ok(()) => fs::File::open(directory)?.sync_all(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
    }
    let entry = |(key, change): (&BackendKey, &Change)| Entry {
        service: key.service.clone(),
        backend: key.backend.clone(),
        change: *change,
    };
    let document = Document { version: VERSION, backends: changes.iter().map(entry).collect() };
    fs::create_dir_all(directory)?;
    let mut file = NamedTempFile::new_in(directory)?;
    serde_json::to_writer_pretty(&mut file, &document)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::runtime::{Added, Admin};

    fn changes() -> Changes {
        let mut changes = Changes::default();
        let until = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        for (backend, admin, weight) in [
            ("a", Admin::Draining { until }, None),
            ("b", Admin::Draining { until: None }, Some(7)),
            ("c", Admin::Disabled, None),
            ("d", Admin::Enabled, Some(1)),
        ] {
            let key = BackendKey { service: "web".into(), backend: backend.into() };
            changes.set(key, Change { admin, weight, ..Change::default() });
        }
        let added = Added { address: [10, 0, 0, 9].into(), port: Some(8080), weight: 9 };
        let key = |backend: &str| BackendKey { service: "web".into(), backend: backend.into() };
        changes.set(key("e"), Change { added: Some(added), ..Change::default() });
        changes.set(key("f"), Change { removed: true, ..Change::default() });
        changes
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("not/there/yet");
        assert_eq!(load(&state).unwrap(), Changes::default());
        save(&state, &Changes::default()).unwrap();
        save(&state, &changes()).unwrap();
        assert_eq!(load(&state).unwrap(), changes());
        save(&state, &Changes::default()).unwrap();
        assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        save(directory.path(), &changes()).unwrap();
        let whole = fs::read_to_string(&file).unwrap();
        for broken in [
            &whole[..whole.len() / 2],
            "",
            "[]",
            &whole.replace("\"version\": 1", "\"version\": 2"),
            &whole.replace("\"weight\": 7", "\"weight\": 0"),
            &whole.replace("\"weight\": 9", "\"weight\": 0"),
        ] {
            fs::write(&file, broken).unwrap();
            let error = load(directory.path()).unwrap_err();
            assert_eq!(error.path, file);
            assert!(!error.why.is_empty());
        }
    }

    #[test]
    fn what_can_not_be_written_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let blocked = directory.path().join("file");
        fs::write(&blocked, "").unwrap();
        assert!(save(&blocked, &changes()).unwrap_err().to_string().contains("file/backends.json"));
    }
}
