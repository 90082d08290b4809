//! Writing a snapshot: beside the old one, and then in its place.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};
use lb_common::tables::Store;

use super::{
    Entry, FILE, Home,
    format::{BLOCK, Content, ENTRIES, HOMES, encode},
};

/// Where a snapshot is written before it takes the old one's place. Always the same: a daemon that is killed leaves
/// one at most.
const NEW: &str = "sessions.snapshot.new";
/// Bytes that are collected for a system call.
const BUFFER: usize = 64 * BLOCK;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Sessions.
    pub sessions: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Takes sessions one by one, those of one map after those of the other.
pub struct Writer<W> {
    out: W,
    written: u64,
    totals: Totals,
    store: Store,
    entries: Vec<Entry>,
    /// The first error; nothing is written after it.
    result: io::Result<()>,
}

impl<W: Write> Writer<W> {
    /// Begins with the table of homes; `written` is the moment, in seconds since 1970.
    ///
    /// # Errors
    /// It can't be written.
    pub fn new(out: W, written: u64, homes: &[Home]) -> io::Result<Self> {
        let mut writer = Self {
            out,
            written,
            totals: Totals::default(),
            store: Store::Affinity,
            entries: Vec::with_capacity(ENTRIES),
            result: Ok(()),
        };
        for (first, homes) in (0..).step_by(HOMES).zip(homes.chunks(HOMES)) {
            writer.block(&Content::Homes { first, homes: homes.to_vec() })?;
        }
        Ok(writer)
    }

    /// Adds a session. Errors are kept for [`Writer::finish`].
    pub fn add(&mut self, store: Store, entry: Entry) {
        if self.store != store || self.entries.len() == ENTRIES {
            self.flush();
            self.store = store;
        }
        self.entries.push(entry);
    }

    /// Writes what is left, and how many there are.
    ///
    /// # Errors
    /// Something could not be written, now or earlier.
    pub fn finish(mut self) -> io::Result<(W, Totals)> {
        self.flush();
        self.result?;
        self.result = Ok(());
        self.block(&Content::End { sessions: self.totals.sessions })?;
        self.out.flush()?;
        Ok((self.out, self.totals))
    }

    fn flush(&mut self) {
        if self.entries.is_empty() || self.result.is_err() {
            return;
        }
        let entries = std::mem::take(&mut self.entries);
        self.totals.sessions += entries.len() as u64;
        let content = Content::Sessions { store: self.store, entries };
        self.result = self.block(&content);
        let Content::Sessions { mut entries, .. } = content else { return };
        entries.clear();
        self.entries = entries;
    }

    fn block(&mut self, content: &Content) -> io::Result<()> {
        self.totals.bytes += BLOCK as u64;
        self.out.write_all(&encode(self.written, content))
    }
}

/// Replaces the snapshot in `directory` by what `fill` adds. It is the old one or the new one, wherever this breaks
/// off.
///
/// # Errors
/// It can't be written, or `fill` fails; the old one is still there.
pub fn save(
    directory: &Path,
    written: u64,
    homes: &[Home],
    fill: impl FnOnce(&mut Writer<BufWriter<File>>) -> Result<()>,
) -> Result<Totals> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let new = directory.join(NEW);
    let saved = write(&new, written, homes, fill).and_then(|totals| {
        fs::rename(&new, directory.join(FILE))?;
        File::open(directory)?.sync_all()?;
        Ok(totals)
    });
    if saved.is_err() {
        // It takes room that others may need.
        let _left = fs::remove_file(&new);
    }
    saved.with_context(|| format!("cannot write {}", directory.join(FILE).display()))
}

fn write(
    path: &Path,
    written: u64,
    homes: &[Home],
    fill: impl FnOnce(&mut Writer<BufWriter<File>>) -> Result<()>,
) -> Result<Totals> {
    // Whose sessions there are is nobody else's business.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut writer = Writer::new(BufWriter::with_capacity(BUFFER, file), written, homes)?;
    fill(&mut writer)?;
    let (out, totals) = writer.finish()?;
    out.get_ref().sync_all()?;
    Ok(totals)
}
