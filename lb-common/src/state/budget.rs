//! `BUDGET`: what a CPU has spent in the current tick of what it may store for strangers.
//!
//! Storing costs memory that others need, and several times the time of forwarding. So under a flood a
//! CPU stores what it may and serves the rest without. Each CPU counts for itself: a limit that all
//! shared would cost a contended cache line for each new connection.

use super::{Plain, layout};
use crate::{
    settings::{Fixed, Settings},
    time::Tick,
};

/// One CPU's expenses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Budget {
    /// The tick that the others are of.
    pub tick: u32,
    /// New connections.
    flows: u32,
    /// New pins of clients that can't be verified.
    pins: u32,
    /// Events.
    events: u32,
    /// Tick in which `PINS` last had no room, as far as this CPU knows; 0: never.
    pub full: u32,
    /// Always 0.
    reserved: u32,
}
layout!(Budget, size = 24, align = 4);
// SAFETY: integers only, no padding.
unsafe impl Plain for Budget {}

/// What is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expense {
    /// A new connection.
    Flow,
    /// A pin of a client that can't be verified.
    Pin,
    /// An event that is reported.
    Event,
}

impl Budget {
    /// Events reported in a tick: more are counted only.
    const EVENTS: u32 = 100;
    /// Ticks after which room for a session is looked for again.
    const FULL_FOR: u32 = 2;

    /// Spends one, if one is left in this tick; true if so.
    #[inline(always)]
    pub fn spend(&mut self, expense: Expense, now: Tick, settings: &Settings) -> bool {
        if self.tick != now.0 {
            *self = Self { tick: now.0, full: self.full, ..Self::default() };
        }
        let (spent, limit) = match expense {
            Expense::Flow => (&mut self.flows, &settings.new_flows),
            Expense::Pin => (&mut self.pins, &settings.new_pins),
            Expense::Event => (&mut self.events, &Fixed::new(Self::EVENTS)),
        };
        if *spent >= limit.get() {
            return false;
        }
        *spent += 1;
        true
    }

    /// `PINS` had no room.
    #[inline(always)]
    pub const fn note_full(&mut self, now: Tick) {
        self.full = now.0;
    }

    /// Had it none a short time ago?
    #[inline(always)]
    pub const fn is_full(&self, now: Tick) -> bool {
        self.full != 0 && now.since(Tick(self.full)) <= Self::FULL_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tick_has_its_own_budget() {
        let settings = Settings::new([1; 12], 1, 1, (1, 1), 1).limited(2, 1);
        let mut budget = Budget::default();
        let mut spend = |expense, tick| budget.spend(expense, Tick(tick), &settings);
        assert!(spend(Expense::Flow, 7) && spend(Expense::Flow, 7) && !spend(Expense::Flow, 7));
        assert!(spend(Expense::Pin, 7) && !spend(Expense::Pin, 7));
        assert!(spend(Expense::Flow, 8) && spend(Expense::Pin, 8));
    }

    #[test]
    fn fullness_is_forgotten_soon_and_not_by_spending() {
        let settings = Settings::new([1; 12], 1, 1, (1, 1), 1);
        let mut budget = Budget::default();
        assert!(!budget.is_full(Tick(1)));
        budget.note_full(Tick(7));
        assert!(budget.spend(Expense::Pin, Tick(8), &settings) && budget.is_full(Tick(8)));
        assert!(!budget.is_full(Tick(7 + Budget::FULL_FOR + 1)));
    }
}
