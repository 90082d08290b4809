//! `BUDGET`: what a CPU has spent in the current tick of what it may store for strangers.
//!
//! Storing costs memory that others need, and several times the time of forwarding. So under a flood a
//! CPU stores what it may and serves the rest without. Each CPU counts for itself: a limit that all
//! shared would cost a contended cache line for each new connection.

use super::{Plain, layout};
use crate::{settings::Settings, time::Tick};

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
    /// Always 0.
    reserved: u32,
}
layout!(Budget, size = 16, align = 4);
// SAFETY: integers only, no padding.
unsafe impl Plain for Budget {}

/// What is spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expense {
    /// A new connection.
    Flow,
    /// A pin of a client that can't be verified.
    Pin,
}

impl Budget {
    /// Spends one, if one is left in this tick; true if so.
    #[inline(always)]
    pub fn spend(&mut self, expense: Expense, now: Tick, settings: &Settings) -> bool {
        if self.tick != now.0 {
            *self = Self { tick: now.0, ..Self::default() };
        }
        let (spent, limit) = match expense {
            Expense::Flow => (&mut self.flows, &settings.new_flows),
            Expense::Pin => (&mut self.pins, &settings.new_pins),
        };
        if *spent >= limit.get() {
            return false;
        }
        *spent += 1;
        true
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
}
