//! A run beside one that was saved with `--json`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::report::Row;

/// How far apart two runs of the same program may be: up to 10 % was seen, for new connections.
const APART: f64 = 1.1;

/// What a saved file says. Ratios to the empty program are compared, not nanoseconds: the machine may have been slower.
#[derive(Deserialize)]
pub(crate) struct Saved {
    version: u32,
    rows: Vec<SavedRow>,
}

#[derive(Deserialize)]
struct SavedRow {
    what: String,
    ratio: f64,
    ratio_quartiles: (f64, f64),
}

impl Saved {
    /// Reads it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let saved: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is no file that --json wrote", path.display()))?;
        ensure!(saved.version == 1, "{} is of version {}, not 1", path.display(), saved.version);
        Ok(saved)
    }

    /// How a line stands to the saved one; it is said to differ where the middle halves of both have nothing in common,
    /// and the medians are further apart than in two runs of the same program.
    pub(crate) fn compare(&self, row: &Row) -> String {
        let Some(saved) = self.rows.iter().find(|saved| saved.what == row.what) else {
            return "not in the saved run".to_owned();
        };
        let (low, high) = saved.ratio_quartiles;
        let verdict = match row.spread {
            (now, _) if now > high && row.ratio > saved.ratio * APART => "slower",
            (_, now) if now < low && row.ratio * APART < saved.ratio => "faster",
            _ => "the same",
        };
        format!(
            "{:7.2} -> {:7.2}  {:+5.1} %  {verdict}",
            saved.ratio,
            row.ratio,
            (row.ratio / saved.ratio - 1.0) * 100.0
        )
    }
}
