//! Hysteresis: one lost probe is not a dead backend.

/// Turns probe results into a state that changes only after several equal results in a row.
#[derive(Debug, Clone)]
pub struct Judge {
    rise: u32,
    fall: u32,
    up: bool,
    /// Results in a row that speak against the state.
    against: u32,
}

impl Judge {
    /// `rise` passes in a row bring up, `fall` failures in a row take down; 0 counts as 1.
    pub fn new(rise: u32, fall: u32, up: bool) -> Self {
        Self { rise, fall, up, against: 0 }
    }

    /// The state after all results so far.
    pub fn up(&self) -> bool {
        self.up
    }

    /// Takes a result; the new state if this result changed it.
    pub fn feed(&mut self, passed: bool) -> Option<bool> {
        if passed == self.up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = if self.up { self.fall } else { self.rise };
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.up = passed;
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flips(judge: &mut Judge, results: &str) -> Vec<Option<bool>> {
        results.chars().map(|c| judge.feed(c == '+')).collect()
    }

    #[test]
    fn falls_at_the_last_failure_in_a_row_and_says_so_once() {
        let mut judge = Judge::new(2, 3, true);
        let none = None;
        assert_eq!(flips(&mut judge, "--+---"), [none, none, none, none, none, Some(false)]);
        assert_eq!(flips(&mut judge, "----"), [none; 4]);
    }

    #[test]
    fn rises_at_the_last_pass_in_a_row_and_says_so_once() {
        let mut judge = Judge::new(2, 3, false);
        assert_eq!(flips(&mut judge, "+-++++"), [None, None, None, Some(true), None, None]);
    }

    #[test]
    fn zero_counts_as_one() {
        let mut judge = Judge::new(0, 0, true);
        assert_eq!(flips(&mut judge, "-+"), [Some(false), Some(true)]);
    }

    proptest! {
        /// Against the definition: the state flips exactly when the last `rise` or `fall` results, all after the
        /// last flip, are equal and against it.
        #[test]
        fn agrees_with_the_definition(
            rise in 1_u32..5,
            fall in 1_u32..5,
            start: bool,
            results in prop::collection::vec(any::<bool>(), 0..64),
        ) {
            let mut judge = Judge::new(rise, fall, start);
            let (mut up, mut since) = (start, 0);
            for end in 1..=results.len() {
                let needed = if up { fall } else { rise } as usize;
                let due = end - since >= needed && results[end - needed..end].iter().all(|&r| r != up);
                let flip = judge.feed(results[end - 1]);
                prop_assert_eq!(flip, due.then_some(!up));
                if due {
                    (up, since) = (!up, end);
                }
                prop_assert_eq!(judge.up(), up);
            }
        }
    }
}
