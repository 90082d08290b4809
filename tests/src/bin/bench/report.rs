//! The table, for people and as JSON.

use std::fmt;

use limpet_tests::{
    budget::{Best, Budget},
    middle::Middle,
};
use serde_json::{Value, json};

use crate::{line::Line, sample::Sample};

/// A line's result.
pub(crate) struct Row {
    pub(crate) what: String,
    ns: f64,
    /// Median of the runs' own ratios, and the middle half of them.
    pub(crate) ratio: f64,
    pub(crate) spread: (f64, f64),
    budget: Option<Budget>,
    is_floor: bool,
}

impl Row {
    /// Of all lines.
    pub(crate) fn all(lines: &[Line]) -> Vec<Self> {
        let mut rows: Vec<_> = lines.iter().map(Self::of).collect();
        for (at, line) in lines.iter().enumerate() {
            let floor =
                line.floor_below.as_ref().and_then(|floor| rows.iter().find(|row| row.what == *floor));
            let best = floor.map(|row| Best { what: row.what.trim().to_owned(), figure: row.ratio });
            let row = &mut rows[at];
            row.budget = line.budget.map(|limit| {
                let (low, high) = row.spread;
                Budget::at_most(&row.what, row.ratio, limit, "x").spread(low, high).at_best(best)
            });
        }
        rows
    }

    fn of(line: &Line) -> Self {
        let Middle { median: ratio, low, high } = Middle::of(line.samples.iter().map(Sample::ratio));
        Self {
            what: line.what.clone(),
            ns: Middle::of(line.samples.iter().map(|sample| sample.ns)).median,
            ratio,
            spread: (low, high),
            budget: None,
            is_floor: line.is_floor,
        }
    }

    /// What is promised of it.
    pub(crate) const fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    pub(crate) fn json(&self) -> Value {
        let Self { what, ns, ratio, spread, budget: _, is_floor } = self;
        json!({
            "what": what, "ns": ns, "ratio": ratio, "ratio_quartiles": [spread.0, spread.1],
            "floor": is_floor,
        })
    }

    /// What stands above the columns.
    pub(crate) const HEADING: &str =
        "what                                       ns   ratio   (middle half)  budget";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, ns, ratio, spread: (low, high), budget, is_floor } = self;
        write!(f, "{what:38} {ns:6.1} {ratio:7.2} {low:7.2}..{high:<6.2}")?;
        match budget {
            Some(budget) => write!(f, " {:7.1}  {}", budget.limit(), budget.verdict()),
            None if *is_floor => write!(f, " {:>7}  floor", "-"),
            None => write!(f, " {:>7}", "-"),
        }
    }
}

/// ns of the empty program, over all runs of all lines.
pub(crate) fn empty(lines: &[Line]) -> f64 {
    Middle::of(lines.iter().flat_map(|line| &line.samples).map(|sample| sample.empty)).median
}
