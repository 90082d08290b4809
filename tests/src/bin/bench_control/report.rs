//! The table, for people and as JSON.

use std::{fmt, time::Duration};

use limpet_tests::budget::{Best, Budget};
use serde_json::{Value, json};

/// What stands above the columns.
pub(crate) const HEADING: &str =
    "what                                                              median       worst     budget";

/// Prints figures as they come, and keeps them.
pub(crate) struct Report {
    /// Tiny sizes meet every budget, which would say nothing.
    is_judged: bool,
    figures: Vec<Value>,
    budgets: Vec<Budget>,
}

impl Report {
    pub(crate) const fn new(is_judged: bool) -> Self {
        Self { is_judged, figures: Vec::new(), budgets: Vec::new() }
    }

    pub(crate) fn add(&mut self, line: Line) {
        let line = if self.is_judged { line } else { Line { budget: None, ..line } };
        println!("  {line}");
        self.figures.push(line.json());
        self.budgets.extend(line.judged());
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "small": !self.is_judged, "figures": self.figures, "budgets": self.budgets })
    }
}

/// A figure.
pub(crate) struct Line {
    what: String,
    unit: &'static str,
    figure: f64,
    /// Of those that were measured, where they were several.
    worst: Option<f64>,
    budget: Option<f64>,
    at_best: Option<Best>,
}

impl Line {
    /// A figure that was taken once.
    pub(crate) fn once(what: impl Into<String>, unit: &'static str, figure: f64) -> Self {
        Self { what: what.into(), unit, figure, worst: None, budget: None, at_best: None }
    }

    /// Times, of which the median and the worst are shown, in milliseconds.
    pub(crate) fn times(what: impl Into<String>, times: &[Duration]) -> Self {
        let mut times: Vec<_> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let figure = times.get(times.len() / 2).copied().unwrap_or(f64::NAN);
        Self {
            what: what.into(),
            unit: "ms",
            figure,
            worst: times.last().copied(),
            budget: None,
            at_best: None,
        }
    }

    /// Times in microseconds.
    pub(crate) fn in_microseconds(self) -> Self {
        Self { unit: "us", figure: self.figure * 1e3, worst: self.worst.map(|worst| worst * 1e3), ..self }
    }

    /// The most that it may be; of times, the median.
    pub(crate) fn within(self, budget: f64) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// What a part of it takes alone.
    pub(crate) fn above(self, part: &Self) -> Self {
        Self { at_best: Some(Best { what: part.what.clone(), figure: part.figure }), ..self }
    }

    /// What is promised of it.
    fn judged(&self) -> Option<Budget> {
        let budget = Budget::at_most(&self.what, self.figure, self.budget?, self.unit);
        Some(budget.at_best(self.at_best.clone()))
    }

    fn json(&self) -> Value {
        let Self { what, unit, figure, worst, .. } = self;
        json!({ "what": what, "unit": unit, "figure": figure, "worst": worst })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, unit, figure, worst, .. } = self;
        // Tenths of milliseconds count, of megabytes and below they don't.
        write!(f, "{what:60} {figure:9.1}")?;
        match worst {
            Some(worst) => write!(f, "  {worst:9.1}")?,
            None => write!(f, "           ")?,
        }
        match self.judged() {
            Some(budget) => write!(f, "  {:9} {unit}  {}", budget.limit(), budget.verdict()),
            None => write!(f, "            {unit}"),
        }
    }
}
