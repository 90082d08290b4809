//! A crowd of clients that stay away, come back, or end, followed step by step.

use super::Outlook;

/// Steps of an idle timeout, at most.
pub(super) const STEPS: u32 = 32;
/// Idle timeouts to look ahead; an end beyond is none.
const HORIZON: usize = 1_000;

/// What happens in a step to those who have been away for so many steps.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// The part that is not away any longer, by steps away.
    pub(super) lost: Vec<f64>,
    /// The part of those that is back; the others have ended otherwise.
    pub(super) back: f64,
}

impl Chain {
    /// How many steps it takes until the last of `crowd`, counted by steps away, has ended.
    ///
    /// Clients come and go independently of each other, so with `m` expected to be left, nobody is with a
    /// probability of `exp(-m)`.
    pub(super) fn follow(&self, mut crowd: Vec<f64>) -> Outlook {
        // For probabilities of 0.1, 0.5, 0.9.
        let levels = [0.1f64, 0.5, 0.9].map(|probability| -probability.ln());
        let mut times = [None; 3];
        let mut left: f64 = crowd.iter().sum();
        for step in 0..self.lost.len() * HORIZON {
            let before = left;
            self.step(&mut crowd);
            left = crowd.iter().sum();
            for (time, level) in times.iter_mut().zip(levels) {
                if time.is_none() && left <= level {
                    // Between steps, decay is exponential. Where all end at once there is no telling when.
                    let part = (before / level).ln() / (before / left.max(f64::MIN_POSITIVE)).ln();
                    *time = Some(step as f64 + part.clamp(0.0, 1.0));
                }
            }
            if let [Some(earliest), Some(likely), Some(latest)] = times {
                return Outlook::Empty { earliest, likely, latest };
            }
        }
        Outlook::Endless
    }

    fn step(&self, crowd: &mut [f64]) {
        let lost: f64 = crowd.iter().zip(&self.lost).map(|(count, lost)| count * lost).sum();
        for away in (1..crowd.len()).rev() {
            crowd[away] = crowd[away - 1] * (1.0 - self.lost[away - 1]);
        }
        crowd[0] = lost * self.back;
    }
}
