//! Medians, and the middle half around them.

use std::fmt;

/// Of the rounds of one run.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Middle {
    pub(crate) median: f64,
    /// The quarters' bounds: half of all rounds were between them.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Middle {
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let at = |share: f64| sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN);
        Self { median: at(0.5), low: at(0.25), high: at(0.75) }
    }

    /// Of what two systems did in the same rounds.
    pub(crate) fn of_ratios<T>(above: &[T], below: &[T], figure: impl Fn(&T) -> f64) -> Self {
        Self::of(above.iter().zip(below).map(|(above, below)| figure(above) / figure(below)))
    }
}

impl fmt::Display for Middle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high } = self;
        write!(f, "{median:6.2} ({low:.2}..{high:.2})")
    }
}

/// What is promised of a figure, and whether it is so.
#[derive(serde::Serialize)]
pub(crate) struct Budget {
    what: String,
    at_least: f64,
    is: Middle,
    verdict: &'static str,
}

impl Budget {
    pub(crate) fn new(what: String, at_least: f64, is: Middle) -> Self {
        Self { what, at_least, is, verdict: if is.median >= at_least { "ok" } else { "over" } }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, at_least, is, verdict } = self;
        write!(f, "{what:66} {is}, at least {at_least:4.1}: {verdict}")
    }
}
