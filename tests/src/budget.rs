//! What is promised of a figure, and whether it is kept: in the same words in all benches.

use std::fmt;

use serde::Serialize;

use crate::middle::Middle;

/// A figure beside what was promised of it.
#[derive(Clone, Debug, Serialize)]
pub struct Budget {
    what: String,
    figure: f64,
    /// The middle half, where it is the median of several.
    spread: Option<[f64; 2]>,
    /// Of the figure and the limit; "x" for multiples.
    unit: &'static str,
    bound: Bound,
    limit: f64,
    verdict: Verdict,
    at_best: Option<Best>,
}

/// On which side of the limit the figure should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Bound {
    /// Not above it.
    #[serde(rename = "at most")]
    AtMost,
    /// Not below it.
    #[serde(rename = "at least")]
    AtLeast,
}

/// Whether it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is.
    Pass,
    /// It is not.
    Short,
}

/// What the figure would be with one part only of what it is made of: with all of them it can't be better.
#[derive(Clone, Debug, Serialize)]
pub struct Best {
    /// The part.
    pub what: String,
    /// In the figure's unit.
    pub figure: f64,
}

impl Budget {
    /// That `figure` is at most `limit`.
    pub fn at_most(what: impl Into<String>, figure: f64, limit: f64, unit: &'static str) -> Self {
        Self::new(what.into(), figure, Bound::AtMost, limit, unit)
    }

    /// That the median is at least `limit`.
    pub fn at_least(what: impl Into<String>, middle: Middle, limit: f64, unit: &'static str) -> Self {
        let budget = Self::new(what.into(), middle.median, Bound::AtLeast, limit, unit);
        budget.spread(middle.low, middle.high)
    }

    fn new(what: String, figure: f64, bound: Bound, limit: f64, unit: &'static str) -> Self {
        // What was divided by nothing keeps no promise.
        let passes = figure.is_finite()
            && match bound {
                Bound::AtMost => figure <= limit,
                Bound::AtLeast => figure >= limit,
            };
        let verdict = if passes { Verdict::Pass } else { Verdict::Short };
        Self { what, figure, spread: None, unit, bound, limit, verdict, at_best: None }
    }

    /// The same, whose middle half is between these.
    #[must_use]
    pub fn spread(self, low: f64, high: f64) -> Self {
        Self { spread: Some([low, high]), ..self }
    }

    /// The same, with what it can't be better than.
    #[must_use]
    pub fn at_best(self, at_best: Option<Best>) -> Self {
        Self { at_best, ..self }
    }

    /// Where the line is.
    pub const fn limit(&self) -> f64 {
        self.limit
    }

    /// Whether the promise is kept.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, figure, spread, unit, bound, limit, verdict, at_best } = self;
        write!(f, "{:60} {figure:9.2}", what.trim())?;
        if let Some([low, high]) = spread {
            write!(f, " ({low:.2}..{high:.2})")?;
        }
        write!(f, " {unit}, {bound} {limit}: {verdict}")?;
        match at_best {
            Some(Best { what, figure }) => write!(f, " (at best {figure:.2}: {what})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMost => "at most",
            Self::AtLeast => "at least",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Short => "short",
        })
    }
}
