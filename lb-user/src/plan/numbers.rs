//! Numbers of services: of their rows in `AUDIT`, of their parts in `MEMBERS`, and of their masks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result};
use lb_common::state::Service;

use super::{Plan, State, Step, recipe};
use crate::model::{self, Model};

/// The number of each service, and whether it had it before.
#[derive(Debug, Default)]
pub(super) struct Numbers(BTreeMap<String, (u32, bool)>);

impl Numbers {
    /// The number of a service.
    pub(super) fn of(&self, service: &model::Service) -> u32 {
        self.0[&service.name].0
    }

    /// Is this entry one that the service has already?
    pub(super) fn is_own(&self, service: &model::Service, entry: &Service) -> bool {
        self.0[&service.name] == (entry.number, true)
    }

    /// The service that an installed entry is of, if it stays.
    pub(super) fn name_of(&self, entry: &Service) -> Option<&str> {
        let found = self.0.iter().find(|(_, had)| **had == (entry.number, true));
        found.map(|(name, _)| name.as_str())
    }
}

impl Plan {
    /// Services keep the numbers that they have; new ones get a free one, whose figures begin at zero.
    pub(super) fn numbers(&mut self, current: &State, model: &Model) -> Result<Numbers> {
        let entries = current.services.values().map(|known| &known.entry);
        let used: BTreeSet<u32> = entries.clone().map(|entry| entry.number).collect();
        let known: HashMap<u64, u32> = entries.map(|entry| (entry.name, entry.number)).collect();
        let mut free = (1..=model.limits.services).filter(|number| !used.contains(number));
        let mut numbers = BTreeMap::new();
        for service in &model.services {
            let known = known.get(&recipe::scope(&service.name)).copied();
            let number = match known {
                Some(number) => number,
                None => {
                    let number = free
                        .next()
                        .context("AUDIT is full: raise `services` in [limits], which needs a restart")?;
                    self.steps.push(Step::ResetAudit { service: number });
                    number
                }
            };
            numbers.insert(service.name.clone(), (number, known.is_some()));
        }
        Ok(Numbers(numbers))
    }
}
