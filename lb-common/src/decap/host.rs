//! [`Rules`] by plain collections.

use std::{cell::RefCell, collections::BTreeMap};

use super::{Reason, Rule, Rules};
use crate::net::Be16;

/// The rules and counters of tests. The fields are the maps.
#[derive(Debug, Default)]
pub struct HostRules {
    /// `RULES`.
    pub rules: Vec<Rule>,
    /// The UDP port of GUE tunnels, host order.
    pub gue_port: u16,
    /// `COUNTERS`.
    pub counters: RefCell<BTreeMap<Reason, u64>>,
}

impl Rules for HostRules {
    fn gue_port(&self) -> Be16 {
        Be16::new(self.gue_port)
    }

    fn allows(&self, asked: &Rule) -> bool {
        self.rules.iter().any(|rule| rule.holds(asked))
    }

    fn count(&self, reason: Reason) {
        *self.counters.borrow_mut().entry(reason).or_default() += 1;
    }
}
