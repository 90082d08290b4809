//! `STRANGERS`: bits that say which clients certainly have no session.
//!
//! Most new connections, and all of a flood, are of clients that have none. To look each up among the proven and among
//! the others took a quarter of the time that a new connection takes: two look-ups, each in a line of memory that no
//! cache holds. A bit of such a client is most likely set, and it is not looked up; where none is, as others have the
//! same, it is.
//!
//! There are two halves, and the first word says which one is read. Whoever has stored a session clears its bits in both,
//! *after* that. From time to time the daemon sets all bits of the other half, walks through all sessions, clears their
//! bits, and has that half read from then on. A session that is stored meanwhile is met by the walk, or it came to its
//! place after that: then its bits are cleared after they were set. That holds on any processor, as all bits are set before
//! a full barrier, and cleared by an atomic operation that is one.
//! All zero, which is what a map begins with, nobody is certainly a stranger.

use core::sync::atomic::{Ordering::SeqCst, fence};

use crate::shared::Word;

/// Words of both halves beside so many ghosts, and the first: 16 bits for each proven client that there is room for.
pub const fn words(ghosts: u32) -> u32 {
    1 + 2 * ghosts
}

/// Where a client with the hash `hash` has its bits: the word, in each half, and the bits in it. `mask` is the number of
/// words in a half less one.
// Three in one word: with both maps full one stranger in thirty is looked up, one in eight with one bit, and neither
// takes another access.
#[inline(always)]
const fn place(hash: u64, mask: u32) -> ([u32; 2], u64) {
    let word = 1 + ((hash >> 32) as u32 & mask);
    ([word, word + mask + 1], 1 << (hash & 63) | 1 << (hash >> 6 & 63) | 1 << (hash >> 12 & 63))
}

/// Is it certain that no client with this hash has a session?
#[inline(always)]
pub fn is_certain<'w>(word: impl Fn(u32) -> Option<&'w Word>, hash: u64, mask: u32) -> bool {
    let ([first, second], bits) = place(hash, mask);
    let is_second = word(0).is_some_and(|which| which.load() != 0);
    word(if is_second { second } else { first }).is_some_and(|word| word.load() & bits != 0)
}

/// The client with this hash has a session, which was stored before this is called.
#[inline(always)]
pub fn meet<'w>(word: impl Fn(u32) -> Option<&'w Word>, hash: u64, mask: u32) {
    let (places, bits) = place(hash, mask);
    for index in places {
        if let Some(word) = word(index) {
            word.clear(bits);
        }
    }
}

/// A walk through all sessions, after which everybody is certainly a stranger whom it has not met.
#[derive(Debug)]
pub struct Survey<'w> {
    words: &'w [Word],
    is_second: bool,
}

impl<'w> Survey<'w> {
    /// Before the walk. Only one may be under way.
    pub fn begin(words: &'w [Word]) -> Self {
        let is_second = words.first().is_some_and(|which| which.load() == 0);
        let survey = Self { words, is_second };
        survey.half().iter().for_each(|word| word.store(u64::MAX));
        fence(SeqCst);
        survey
    }

    /// After the walk, in which [`meet`] was called for each session.
    pub fn finish(self) {
        if let Some(which) = self.words.first() {
            fence(SeqCst);
            which.store(self.is_second.into());
        }
    }

    fn half(&self) -> &'w [Word] {
        let halves = self.words.get(1..).unwrap_or_default();
        let (first, second) = halves.split_at(halves.len() / 2);
        if self.is_second { second } else { first }
    }
}

/// From now on nobody is certainly a stranger.
pub fn doubt(words: &[Word]) {
    // The halves first: whichever is read, it says nothing wrong.
    words.iter().rev().for_each(|word| word.store(0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hash,
        net::Ip,
        settings::{KEY_WORDS, Settings},
    };

    const GHOSTS: u32 = 4;

    fn table() -> Vec<Word> {
        std::iter::repeat_with(Word::default).take(words(GHOSTS) as usize).collect()
    }

    #[test]
    fn who_was_met_is_no_stranger() {
        let words = table();
        let at = |index: u32| words.get(index as usize);
        let is_certain = |hash| is_certain(at, hash, GHOSTS - 1);
        // Another word, another bit.
        let (before, during, never) = (0x3_0000_0007, 0x2_0000_0007, [0x3_0000_0008, 0x1_0000_0007]);
        for round in 0..5 {
            assert_eq!(never.map(is_certain), [round != 0; 2]);
            meet(at, before, GHOSTS - 1);
            let survey = Survey::begin(&words);
            assert!(!is_certain(before), "what is read is not what is made anew");
            meet(at, during, GHOSTS - 1);
            meet(at, before, GHOSTS - 1);
            survey.finish();
            assert_eq!((is_certain(before), is_certain(during)), (false, false));
            assert_eq!(never.map(is_certain), [true; 2]);
        }
        // Sessions end.
        Survey::begin(&words).finish();
        assert!(is_certain(before) && is_certain(during));
        doubt(&words);
        assert!(words.iter().all(|word| word.load() == 0) && !is_certain(never[0]));
    }

    /// With as many sessions as both maps have room for by default, eight to a word.
    #[test]
    fn few_strangers_are_looked_up() {
        const GHOSTS: u32 = 1 << 10;
        let words: Vec<_> = std::iter::repeat_with(Word::default).take(words(GHOSTS) as usize).collect();
        let at = |index: u32| words.get(index as usize);
        let settings = Settings::new([0x9e37_79b1; KEY_WORDS], 1, 1, (1, 1), 1);
        let hash = |number: u64| hash::client(&settings, number, Ip::from_bytes([9; 16]));
        Survey::begin(&words).finish();
        (0..8 * u64::from(GHOSTS)).for_each(|number| meet(at, hash(number), GHOSTS - 1));
        let strangers =
            (1 << 32..(1 << 32) + 100_000).filter(|&number| is_certain(at, hash(number), GHOSTS - 1));
        let known = strangers.count();
        assert!((95_000..98_000).contains(&known), "{known} of 100,000");
    }

    /// Whoever is met while a survey is under way is met for good, and a survey that fails changes nothing.
    #[test]
    fn a_survey_that_fails_changes_nothing() {
        let words = table();
        let at = |index: u32| words.get(index as usize);
        Survey::begin(&words).finish();
        meet(at, 9, GHOSTS - 1);
        let _given_up = Survey::begin(&words);
        assert!(!is_certain(at, 9, GHOSTS - 1) && is_certain(at, 10, GHOSTS - 1));
    }
}
