//! What the file gives back, whole or not.

use std::{
    collections::HashMap,
    fs,
    io::{self, Write as _},
};

use anyhow::bail;
use lb_common::tables::Store;
use proptest::{collection::vec, prelude::*};

use super::{
    super::{Entry, FILE, Home, ReadError, Snapshot, format::BLOCK, read, save},
    WRITTEN, bytes, entry, home,
};

/// More than a block of each kind.
fn several() -> (Vec<Home>, Vec<(Store, Entry)>) {
    let sessions = |store, count| (0..count).map(move |n| (store, entry(n, n % 30, 90, n % 60)));
    ((0..30).map(home).collect(), sessions(Store::Affinity, 150).chain(sessions(Store::Pins, 200)).collect())
}

fn sessions(snapshot: &Snapshot) -> Vec<(Store, Entry)> {
    let all = |store, entries: &[Entry]| entries.iter().map(move |&entry| (store, entry)).collect::<Vec<_>>();
    [all(Store::Affinity, &snapshot.affinity), all(Store::Pins, &snapshot.pins)].concat()
}

/// All that is read was written, in its place; returns how many sessions there are.
fn assert_is_part_of(snapshot: &Snapshot, homes: &[Home], written: &[(Store, Entry)]) -> usize {
    assert_eq!(snapshot.written, WRITTEN);
    for (&at, found) in &snapshot.homes {
        assert_eq!(homes.get(at as usize), Some(found));
    }
    let place = |(store, entry): &(Store, Entry)| (*store == Store::Pins, entry.client.bytes());
    let known: HashMap<_, _> = written.iter().map(|session| (place(session), session.1)).collect();
    let found = sessions(snapshot);
    for session in &found {
        assert_eq!(known.get(&place(session)), Some(&session.1));
    }
    found.len()
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        homes in 0..60u8,
        ages in vec((any::<bool>(), 0..2_000_000_000u32, any::<u32>()), 0..400),
    ) {
        let homes: Vec<_> = (0..homes).map(home).collect();
        let session = |(at, &(is_proven, age, connections)): (u32, &(bool, u32, u32))| {
            let store = if is_proven { Store::Pins } else { Store::Affinity };
            (store, Entry { connections, ..entry(at, at % 9, age % WRITTEN as u32, age / 2 % 1_000) })
        };
        let mut written: Vec<_> = (0..).zip(&ages).map(session).collect();
        let snapshot = read(&*bytes(&homes, &written)).unwrap();
        prop_assert_eq!(snapshot.damage, Default::default());
        prop_assert_eq!(snapshot.homes.len(), homes.len());
        assert_is_part_of(&snapshot, &homes, &written);
        written.sort_by_key(|(store, _)| *store == Store::Pins);
        prop_assert_eq!(sessions(&snapshot), written);
    }

    #[test]
    fn anything_else_is_refused(garbage in vec(any::<u8>(), 0..3 * BLOCK)) {
        prop_assert!(matches!(read(&*garbage), Err(ReadError::Nothing)));
    }
}

#[test]
fn wherever_it_is_cut_short_the_blocks_before_are_used() {
    let (homes, written) = several();
    let whole = bytes(&homes, &written);
    for length in 0..whole.len() {
        match read(&whole[..length]) {
            Ok(snapshot) => {
                assert!(snapshot.damage.cut_short, "{length}");
                let found = assert_is_part_of(&snapshot, &homes, &written);
                // Two blocks of homes, then those of sessions.
                let blocks = length / BLOCK;
                assert_eq!(found, [0, 0, 0, 127, 150, 277, 350][blocks], "{length}");
            }
            Err(error) => assert!(length < BLOCK && matches!(error, ReadError::Nothing), "{length}: {error}"),
        }
    }
}

#[test]
fn whatever_byte_is_changed_the_other_blocks_are_used() {
    let (homes, written) = several();
    let whole = bytes(&homes, &written);
    let blocks = whole.len() / BLOCK;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        let snapshot = read(&*changed).unwrap();
        let found = assert_is_part_of(&snapshot, &homes, &written);
        let lost = [0, 0, 127, 23, 127, 73, 0][at / BLOCK];
        assert_eq!(found, written.len() - lost, "byte {at}");
        assert_eq!(snapshot.damage.blocks, 1, "byte {at}");
        assert_eq!(snapshot.damage.cut_short, at / BLOCK == blocks - 1);
        assert_eq!(snapshot.damage.sessions, lost as u64);
        assert_eq!(snapshot.homes.len(), [6, 24].get(at / BLOCK).map_or(30, |&left| left), "byte {at}");
    }
}

#[test]
fn blocks_of_an_older_snapshot_are_not_used() {
    let (homes, written) = several();
    let mut mixed = bytes(&homes, &written);
    let mut older = super::Writer::new(Vec::new(), WRITTEN - 60, &homes).unwrap();
    written.iter().for_each(|&(store, entry)| older.add(store, entry));
    let (older, _) = older.finish().unwrap();
    mixed[3 * BLOCK..5 * BLOCK].copy_from_slice(&older[3 * BLOCK..5 * BLOCK]);
    let snapshot = read(&*mixed).unwrap();
    assert_eq!((snapshot.damage.blocks, snapshot.damage.sessions), (2, 150));
    assert_is_part_of(&snapshot, &homes, &written);
}

#[test]
fn another_version_is_named() {
    let mut other = bytes(&[home(1)], &[]);
    for block in other.chunks_mut(BLOCK) {
        block[8] = 7;
    }
    assert!(matches!(read(&*other), Err(ReadError::Version(7))));
    assert!(read(&*other).unwrap_err().to_string().contains("version 7"));
}

#[test]
fn a_snapshot_is_replaced_as_a_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("not/there/yet");
    let one = |number| {
        save(&state, WRITTEN, &[home(1)], |writer| {
            writer.add(Store::Pins, entry(number, 0, 9, 9));
            Ok(())
        })
    };
    let there = || read(fs::File::open(state.join(FILE)).unwrap()).unwrap().pins;
    assert_eq!(one(1).unwrap().sessions, 1);
    assert_eq!(one(2).unwrap().sessions, 1);
    assert_eq!(there(), [entry(2, 0, 9, 9)]);
    let failed = save(&state, WRITTEN, &[home(1)], |writer| {
        (0..1_000).for_each(|number| writer.add(Store::Pins, entry(number, 0, 9, 9)));
        bail!("the maps can't be read")
    });
    assert!(format!("{:#}", failed.unwrap_err()).contains("can't be read"));
    assert_eq!(there(), [entry(2, 0, 9, 9)]);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing is left behind");
    fs::write(directory.path().join("file"), "").unwrap();
    let blocked = save(&directory.path().join("file"), WRITTEN, &[], |_| Ok(())).unwrap_err();
    assert!(format!("{blocked:#}").contains("file"), "{blocked:#}");
}

/// Takes so many bytes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_is_met() {
    let (homes, written) = several();
    let whole = bytes(&homes, &written).len();
    for room in (0..=whole).step_by(BLOCK) {
        let result = super::Writer::new(Full(room), WRITTEN, &homes).and_then(|mut writer| {
            written.iter().for_each(|&(store, entry)| writer.add(store, entry));
            writer.finish()
        });
        match result {
            Ok((mut full, _)) => assert!(room == whole && full.write(b"x").is_err()),
            Err(error) => assert!(room < whole && error.kind() == io::ErrorKind::StorageFull, "{error}"),
        }
    }
}
