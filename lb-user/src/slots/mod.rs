//! Slot tables: which backend the hash alone gives to a client.
//!
//! A service has a power of two of slots; the packet program hashes a client and masks the hash to a
//! slot. [`fill`] says which backend owns each slot. Three things are asked of it:
//!
//! * every node computes the same table, whatever the order of the backends in its file;
//! * the load follows the weights closely, the busiest backend above all;
//! * a change of the set of backends moves little more than the slots it must.
//!
//! **Rendezvous hashing with a bound.** Each (slot, backend name) pair has a keyed score, and a slot
//! wants the backend with the best score. Alone this is rendezvous hashing: nothing moves without need,
//! but chance gives the busiest backend 4 to 6 % too much. So a backend takes no more slots than its
//! share and 2 %, its best-scored ones, and a slot that was refused asks its next best. Both sides rank
//! a pair by the *same* score, so this stable matching is unique, and there is no need to let
//! slots propose and be displaced: taking all pairs in order of score, and keeping each whose slot is
//! free and whose backend has room, gives the same answer. A heap holds the best pair that each free
//! slot still has; it is computed anew only when that pair's backend has filled up.
//!
//! Against Maglev (65,537 slots): Maglev's balance is finer (1.0005 against 1.02 for the busiest), but it moves
//! 11 % more slots than it must at 32 -> 31 backends and 55 % more at 100, where this moves 3 % and 16 %. A
//! moved slot is a client without a session that loses its backend; 2 % of load costs nothing by comparison.
//! Maglev also needs a prime number of slots, hence a division for each packet.
//!
//! What it does not promise: the *least* loaded backend may lie further below its share than the busiest lies
//! above (about 5 % with 2,048 slots for each backend, more with fewer). Give a service at least 100 slots for each
//! backend; with a handful for each, chance decides, and a backend may own none.

mod firsts;
mod score;

use std::{cmp::Reverse, collections::BinaryHeap};

pub use firsts::Firsts;
use score::{Scorer, SlotKey};

/// The owner of every slot of a service without backends.
pub const NO_BACKEND: u32 = lb_common::state::BackendId::NONE.0;

/// A backend that takes part in a slot table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Decides the slots, with the seed; unique in the table.
    pub name: &'a str,
    /// Relative share, up to 65,535. A member of weight 0 gets no slot.
    pub weight: u32,
    /// What is written into the slots.
    pub id: u32,
}

/// A slot table, and what helps to make the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The id of the owner of each slot.
    pub slots: Vec<u32>,
    /// What each slot wants first; `None` where that is soon found anew.
    pub firsts: Option<Firsts>,
}

/// The id of the owner of each of `slots` slots.
///
/// Depends on names, weights and seed only: neither on the order of the members nor on their ids. With no
/// member of a weight above 0, every slot is [`NO_BACKEND`].
///
/// No backend gets more than its share and 2 %, or its share rounded up to a whole slot where that is
/// more: below 50 slots for each backend the rounding is what bounds the balance.
pub fn fill(members: &[Member], slots: u32, seed: [u8; 16]) -> Vec<u32> {
    fill_after(None, members, slots, seed).slots
}

/// The same table as by [`fill`], sooner where there was one of nearly the same members before.
///
/// `before` is of a table of the same seed.
pub fn fill_after(before: Option<&Firsts>, members: &[Member], slots: u32, seed: [u8; 16]) -> Table {
    let mut table = vec![NO_BACKEND; slots as usize];
    let mut candidates = candidates(members, slots, seed);
    if candidates.is_empty() {
        return Table { slots: table, firsts: None };
    }
    let keys: Vec<SlotKey> = (0..slots).map(|slot| SlotKey::new(slot, seed)).collect();
    let scorers: Vec<Scorer> = candidates.iter().map(|candidate| candidate.scorer).collect();
    let firsts = Firsts::find(before, &keys, scorers);
    let mut open = firsts.open();
    let mut proposals: BinaryHeap<_> =
        (0..).zip(firsts.choices()).map(|(slot, &(score, c))| Reverse((score, slot, c))).collect();
    while let Some(Reverse((_, slot, c))) = proposals.pop() {
        let candidate = &mut candidates[c as usize];
        if candidate.room == 0 {
            // The rooms add up to all slots or more, so a free slot always finds another.
            let next = best(keys[slot as usize], &open);
            proposals.extend(next.map(|(score, c)| Reverse((score, slot, c))));
            continue;
        }
        table[slot as usize] = candidate.id;
        candidate.room -= 1;
        if candidate.room == 0 {
            open.retain(|&(other, _)| other != c);
        }
    }
    Table { slots: table, firsts: firsts.worth_keeping() }
}

/// A candidate with room left, by its index.
type Open = (u32, Scorer);

/// The best score a slot has with an open candidate. Of two equal ones the first wins, which is the
/// first by name.
fn best(slot: SlotKey, open: &[Open]) -> Option<(u64, u32)> {
    let mut bound = u64::MAX;
    let mut best = None;
    for &(c, scorer) in open {
        if let Some(score) = scorer.score_below(slot, bound) {
            bound = score;
            best = Some((score, c));
        }
    }
    best
}

/// A member while the table is being filled.
struct Candidate {
    scorer: Scorer,
    /// Slots it may still take.
    room: u64,
    id: u32,
}

/// The members that can take slots, in order of name.
fn candidates(members: &[Member], slots: u32, seed: [u8; 16]) -> Vec<Candidate> {
    let mut members: Vec<Member> = members.iter().copied().filter(|m| m.weight > 0).collect();
    members.sort_unstable_by_key(|m| m.name);
    let total: u64 = members.iter().map(|m| u64::from(m.weight)).sum();
    let candidate = |m: &Member| Candidate {
        scorer: Scorer::new(m.name, m.weight, seed),
        room: room(slots, m.weight, total),
        id: m.id,
    };
    members.iter().map(candidate).collect()
}

/// The most slots a backend may own: its share and 2 %, rounded down, but never less than its share rounded up,
/// so that all rooms together hold all slots.
fn room(slots: u32, weight: u32, total: u64) -> u64 {
    let exact = u64::from(slots) * u64::from(weight);
    (exact * 102 / (total * 100)).max(exact.div_ceil(total))
}

#[cfg(test)]
mod tests;
