//! What each slot wants first: the backend of the best score, whoever has room.
//!
//! To find that takes a score for each pair of a slot and a backend, sixteen million for 16,384 slots and 1,000
//! backends, and is nearly all that a table costs. But a score depends on nothing but the slot, the backend's name and
//! its weight. So where one backend of a thousand comes, goes or changes its weight, a slot wants what it wanted before,
//! or the new one, and only the slots that wanted the one that went are asked anew.

use std::collections::HashMap;

use super::{
    Open, best,
    score::{Scorer, SlotKey},
};

/// Fewer pairs than these are scored in a few milliseconds, which is not worth 16 bytes a slot.
const WORTH_KEEPING: usize = 1 << 21;

/// What the slots of a table want first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firsts {
    /// The backends, in order of name.
    scorers: Vec<Scorer>,
    /// For each slot the best score, and whose that is.
    choices: Vec<(u64, u32)>,
}

impl Firsts {
    /// For the slots with these keys and backends in order of name; `before` is of the same seed.
    pub(super) fn find(before: Option<&Self>, keys: &[SlotKey], scorers: Vec<Scorer>) -> Self {
        let before = before.filter(|before| before.choices.len() == keys.len());
        let choices = match before.map(|before| Change::new(before, &scorers)) {
            // With many new ones, to ask each slot anew is no worse.
            Some(change) if change.new.len() <= scorers.len() / 4 => change.choices(keys, &scorers),
            _ => {
                let open = open(&scorers);
                keys.iter().filter_map(|&key| best(key, &open)).collect()
            }
        };
        Self { scorers, choices }
    }

    /// For each slot the best score, and whose that is.
    pub(super) fn choices(&self) -> &[(u64, u32)] {
        &self.choices
    }

    /// All backends, each with its index.
    pub(super) fn open(&self) -> Vec<Open> {
        open(&self.scorers)
    }

    /// `None` if they are soon found anew.
    pub(super) fn worth_keeping(self) -> Option<Self> {
        (self.scorers.len() * self.choices.len() >= WORTH_KEEPING).then_some(self)
    }
}

fn open(scorers: &[Scorer]) -> Vec<Open> {
    (0..).zip(scorers).map(|(c, &scorer)| (c, scorer)).collect()
}

/// From one set of backends to another.
struct Change<'b> {
    before: &'b Firsts,
    /// Where each backend of before is now.
    stay: Vec<Option<u32>>,
    /// Those that were not there, or with another weight.
    new: Vec<Open>,
}

impl<'b> Change<'b> {
    fn new(before: &'b Firsts, scorers: &[Scorer]) -> Self {
        let mut now: HashMap<Scorer, u32> = (0..).zip(scorers).map(|(c, &scorer)| (scorer, c)).collect();
        let stay = before.scorers.iter().map(|scorer| now.remove(scorer)).collect();
        let mut new: Vec<_> = now.into_iter().map(|(scorer, c)| (c, scorer)).collect();
        new.sort_unstable_by_key(|&(c, _)| c);
        Self { before, stay, new }
    }

    fn choices(&self, keys: &[SlotKey], scorers: &[Scorer]) -> Vec<(u64, u32)> {
        let all = open(scorers);
        let choice = |(&key, &(score, c)): (&SlotKey, &(u64, u32))| match self.stay[c as usize] {
            // Those that stay are in the same order as before, so of equal scores the same one wins.
            Some(c) => Some(best(key, &self.new).map_or((score, c), |new| new.min((score, c)))),
            None => best(key, &all),
        };
        keys.iter().zip(&self.before.choices).filter_map(choice).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SEED: [u8; 16] = *b"a seed for tests";

    fn scorers(backends: &BTreeMap<u8, u32>) -> Vec<Scorer> {
        let scorer = |(name, weight): (&u8, &u32)| Scorer::new(&format!("web-{name}"), *weight, SEED);
        backends.iter().map(scorer).collect()
    }

    fn some_backends() -> impl Strategy<Value = BTreeMap<u8, u32>> {
        prop::collection::btree_map(0_u8..16, 1_u32..4, 1..16)
    }

    proptest! {
        #[test]
        fn from_whatever_was_before_it_is_what_is_found_anew(
            before in some_backends(),
            after in some_backends(),
            changes in prop::collection::btree_map(0_u8..16, 1_u32..4, 0..3),
        ) {
            let keys: Vec<_> = (0..128).map(|slot| SlotKey::new(slot, SEED)).collect();
            let known = Firsts::find(None, &keys, scorers(&before));
            // Any others, and those of before with a few changes.
            let mut nearly = before.clone();
            nearly.extend(changes);
            let mut fewer = nearly.clone();
            fewer.pop_first();
            for backends in [after, nearly, fewer] {
                let kept = Firsts::find(Some(&known), &keys, scorers(&backends));
                prop_assert_eq!(kept, Firsts::find(None, &keys, scorers(&backends)));
            }
        }
    }
}
