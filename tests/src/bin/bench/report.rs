//! The table, for people and as JSON.

use std::fmt;

use limpet_tests::middle::Middle;
use serde_json::{Value, json};

use crate::{line::Line, sample::Sample};

/// How a figure stands to its budget.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grade {
    /// Within.
    Good,
    /// Within twice the budget, which is what is demanded so far.
    Twice,
    /// Above that.
    Over,
}

impl Grade {
    fn of(ratio: f64, budget: f64) -> Self {
        match ratio / budget {
            share if share <= 1.0 => Self::Good,
            share if share <= 2.0 => Self::Twice,
            _ => Self::Over,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Twice => "within 2x",
            Self::Over => "over",
        }
    }
}

/// A line's result.
pub(crate) struct Row {
    pub(crate) what: String,
    ns: f64,
    /// Median of the runs' own ratios, and the middle half of them.
    pub(crate) ratio: f64,
    pub(crate) spread: (f64, f64),
    budget: Option<f64>,
    pub(crate) grade: Option<Grade>,
    is_floor: bool,
}

impl Row {
    pub(crate) fn of(line: &Line) -> Self {
        let Middle { median: ratio, low, high } = Middle::of(line.samples.iter().map(Sample::ratio));
        Self {
            what: line.what.clone(),
            ns: Middle::of(line.samples.iter().map(|sample| sample.ns)).median,
            ratio,
            spread: (low, high),
            budget: line.budget,
            grade: line.budget.map(|budget| Grade::of(ratio, budget)),
            is_floor: line.is_floor(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let Self { what, ns, ratio, spread, budget, grade, is_floor } = self;
        json!({
            "what": what, "ns": ns, "ratio": ratio, "ratio_quartiles": [spread.0, spread.1],
            "budget": budget, "grade": grade.map(Grade::name), "floor": is_floor,
        })
    }

    /// What stands above the columns.
    pub(crate) const HEADING: &str =
        "what                                       ns   ratio   (middle half)  budget";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, ns, ratio, spread: (low, high), budget, grade, is_floor } = self;
        write!(f, "{what:38} {ns:6.1} {ratio:7.2} {low:7.2}..{high:<6.2}")?;
        match (budget, grade) {
            (Some(budget), Some(grade)) => write!(f, " {budget:7.1}  {}", grade.name()),
            _ if *is_floor => write!(f, " {:>7}  floor", "-"),
            _ => write!(f, " {:>7}", "-"),
        }
    }
}

/// ns of the empty program, over all runs of all lines.
pub(crate) fn empty(lines: &[Line]) -> f64 {
    Middle::of(lines.iter().flat_map(|line| &line.samples).map(|sample| sample.empty)).median
}
