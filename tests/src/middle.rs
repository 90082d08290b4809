//! Medians, and the middle half around them.

use std::fmt;

/// Of the rounds of one run.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Middle {
    /// Half were above.
    pub median: f64,
    /// The lower quarter's bound: half of all rounds were between this and the upper one's.
    pub low: f64,
    /// The upper one.
    pub high: f64,
}

impl Middle {
    /// NaN without any.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let at = |share: f64| sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN);
        Self { median: at(0.5), low: at(0.25), high: at(0.75) }
    }

    /// Of what two systems did in the same rounds.
    pub fn of_ratios<T>(above: &[T], below: &[T], figure: impl Fn(&T) -> f64) -> Self {
        Self::of(above.iter().zip(below).map(|(above, below)| figure(above) / figure(below)))
    }
}

impl fmt::Display for Middle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, low, high } = self;
        write!(f, "{median:6.2} ({low:.2}..{high:.2})")
    }
}
