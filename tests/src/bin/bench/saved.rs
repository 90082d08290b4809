//! A run that was saved with `--json`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// What the file says. Ratios to the empty program are what stands for a line, not nanoseconds: the machine may have
/// been slower.
#[derive(Deserialize)]
pub(crate) struct Saved {
    version: u32,
    /// `None` if no line was measured.
    pub(crate) empty_ns: Option<f64>,
    rows: Vec<SavedRow>,
}

/// A line.
#[derive(Deserialize)]
pub(crate) struct SavedRow {
    what: String,
    pub(crate) ratio: f64,
    pub(crate) ratio_quartiles: (f64, f64),
}

impl Saved {
    /// Reads it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let value = serde_json::from_str(&text).context("no JSON");
        value.and_then(Self::of).with_context(|| format!("{} is no file that --json wrote", path.display()))
    }

    /// The same, of a run that is about to be saved.
    pub(crate) fn of(value: Value) -> Result<Self> {
        let saved: Self = serde_json::from_value(value)?;
        ensure!(saved.version == 2, "it is of version {}, not 2", saved.version);
        Ok(saved)
    }

    /// A line's result, if it was measured.
    pub(crate) fn row(&self, what: &str) -> Option<&SavedRow> {
        self.rows.iter().find(|row| row.what == what)
    }
}
