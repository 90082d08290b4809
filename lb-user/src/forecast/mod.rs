//! When a backend that gets nobody new will be empty.
//!
//! A session ends when its client stays away for the idle timeout, and each stored session tells how long its client
//! has been away. So where nobody comes back, the end is known to the tick. Where some do, it is a matter of how many:
//! [`Watch`] counts, of those who had been away for so long, how many were back a little later. That says
//! for every client how likely it is that it stays away for the rest of its time, and what becomes of those who
//! return is the same question again. [`outlook`](Watch::outlook) follows the whole crowd through it.
//!
//! It needs no history of single clients, only ages, by which they are counted at two moments. The same is
//! done with connections, which end by themselves too.

mod chain;
#[cfg(test)]
mod simulation;
mod watch;

pub use self::watch::{Count, Watch};

/// What is known about the end. Times are ticks from now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outlook {
    /// Too little has been seen.
    Unknown,
    /// As likely before as after `likely`, nine times of ten after `earliest`, nine times of ten before `latest`.
    Empty {
        /// The first tenth.
        earliest: f64,
        /// The middle.
        likely: f64,
        /// The last tenth.
        latest: f64,
    },
    /// Its clients come back again and again: no end is in sight.
    Endless,
}

impl Outlook {
    /// Nobody is left.
    pub const NOW: Self = Self::Empty { earliest: 0.0, likely: 0.0, latest: 0.0 };

    /// When both are empty.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Endless, _) | (_, Self::Endless) => Self::Endless,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (
                Self::Empty { earliest, likely, latest },
                Self::Empty { earliest: earliest2, likely: likely2, latest: latest2 },
            ) => Self::Empty {
                earliest: earliest.max(earliest2),
                likely: likely.max(likely2),
                latest: latest.max(latest2),
            },
        }
    }

    /// So many ticks later, or earlier.
    #[must_use]
    pub fn later(self, ticks: f64) -> Self {
        self.map(|time| (time + ticks).max(0.0))
    }

    /// The same, where everything is over by `bound` in any case.
    #[must_use]
    pub fn before(self, bound: Self) -> Self {
        match (self, bound) {
            (
                Self::Empty { earliest, likely, latest },
                Self::Empty { earliest: earliest2, likely: likely2, latest: latest2 },
            ) => Self::Empty {
                earliest: earliest.min(earliest2),
                likely: likely.min(likely2),
                latest: latest.min(latest2),
            },
            (Self::Empty { .. }, _) => self,
            (_, bound) => bound,
        }
    }

    fn map(self, each: impl Fn(f64) -> f64) -> Self {
        match self {
            Self::Empty { earliest, likely, latest } => {
                Self::Empty { earliest: each(earliest), likely: each(likely), latest: each(latest) }
            }
            other => other,
        }
    }
}
