//! Reading a snapshot: everything that is intact, and what is not.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use lb_common::tables::Store;

use super::{
    Entry, Home,
    format::{BLOCK, Content, Unusable, VERSION, decode},
};

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// When it was written: seconds since 1970.
    pub written: u64,
    /// By their places. One that is missing was in a damaged block.
    pub homes: HashMap<u32, Home>,
    /// Sessions of proven clients.
    pub pins: Vec<Entry>,
    /// Sessions of others.
    pub affinity: Vec<Entry>,
    /// What is missing.
    pub damage: Damage,
}

/// What of a snapshot can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Damage {
    /// Blocks that are not as they were written.
    pub blocks: u64,
    /// Its end is missing.
    pub cut_short: bool,
    /// Sessions that were lost with them, where the file's end says how many there were.
    pub sessions: u64,
}

/// Nothing of the snapshot can be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Another limpet wrote it.
    #[error("is of version {0}, and this limpet reads {VERSION}")]
    Version(u32),
    /// It is empty, or something else.
    #[error("has nothing intact in it")]
    Nothing,
}

/// Reads what is intact.
///
/// # Errors
/// There is nothing that could be used.
pub fn read(mut from: impl Read) -> Result<Snapshot, ReadError> {
    let mut snapshot: Option<Snapshot> = None;
    let mut damage = Damage { cut_short: true, ..Damage::default() };
    let (mut other_version, mut sessions) = (None, None);
    let mut block = [0; BLOCK];
    loop {
        match from.read_exact(&mut block) {
            Ok(()) => {}
            // With a block or without one: whether the end was there is known.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) if snapshot.is_none() => return Err(error.into()),
            // As much as the disk gives.
            Err(_) => break,
        }
        let (written, content) = match decode(&block) {
            Ok(found) => found,
            Err(unusable) => {
                damage.blocks += 1;
                if let Unusable::Version(version) = unusable {
                    other_version.get_or_insert(version);
                }
                continue;
            }
        };
        let snapshot = snapshot.get_or_insert_with(|| Snapshot { written, ..Snapshot::default() });
        if snapshot.written != written {
            // Of another snapshot that had this place on the disk.
            damage.blocks += 1;
            continue;
        }
        match content {
            Content::Homes { first, homes } => snapshot.homes.extend((first..).zip(homes)),
            Content::Sessions { store: Store::Pins, entries } => snapshot.pins.extend(entries),
            Content::Sessions { store: Store::Affinity, entries } => snapshot.affinity.extend(entries),
            Content::End { sessions: all } => {
                damage.cut_short = false;
                sessions = Some(all);
            }
        }
    }
    let Some(snapshot) = snapshot else {
        return Err(other_version.map_or(ReadError::Nothing, ReadError::Version));
    };
    let found = (snapshot.pins.len() + snapshot.affinity.len()) as u64;
    damage.sessions = sessions.map_or(0, |all| all.saturating_sub(found));
    Ok(Snapshot { damage, ..snapshot })
}
