//! `LOADS`: how many sessions each backend has, for services that choose by that.

use std::collections::HashMap;

use anyhow::Result;
use lb_common::state::{BackendId, Health};

use super::core::Core;
use crate::{health::BackendKey, model, plan};

impl Core {
    /// Counts the sessions of each backend anew, and says how many it may have. Costs nothing where no service chooses
    /// by that.
    pub(super) fn publish_loads(&self) -> Result<()> {
        let by_load = |service: &&model::Service| {
            service.scheduler == model::Scheduler::LeastSessions || service.max_load.is_some()
        };
        let services: Vec<_> = self.model.services.iter().filter(by_load).collect();
        if services.is_empty() {
            return Ok(());
        }
        let mut sessions: HashMap<BackendId, u64> = HashMap::new();
        self.program.kernel.for_each_session(|session| {
            *sessions.entry(session.pin.backend).or_default() += 1;
        })?;
        for service in services {
            self.publish(service, &sessions);
        }
        Ok(())
    }

    fn publish(&self, service: &model::Service, sessions: &HashMap<BackendId, u64>) {
        let mut backends = Vec::new();
        for backend in &service.backends {
            let key = BackendKey { service: service.name.clone(), backend: backend.name.clone() };
            let (Some(own), Some(home)) = (
                self.state.backends.get(&key),
                self.state.backends.get(&plan::home_key(service, &backend.name)),
            ) else {
                continue;
            };
            let weight = self.inputs.weight(&key, backend.weight);
            backends.push((own, home.id, weight, sessions.get(&home.id).copied().unwrap_or_default()));
        }
        let up = || backends.iter().filter(|(own, ..)| own.health == Health::Up);
        let total: u64 = up().map(|(.., sessions)| sessions).sum();
        let weights: u64 = up().map(|(_, _, weight, _)| u64::from(*weight)).sum();
        for &(own, home, weight, sessions) in &backends {
            let limit = service.max_load.map_or(0, |percent| bound(total, percent, weight, weights));
            // New clients are judged by the backend, sessions counted for the home; of most they are one.
            for id in [own.id, home] {
                if let Some(load) = self.program.kernel.load(id) {
                    load.set(sessions, limit, weight);
                }
            }
        }
    }
}

/// The sessions that a backend of this weight may have, of `total` and one more: at least one.
fn bound(total: u64, percent: u32, weight: u32, weights: u64) -> u32 {
    let share = u128::from(total + 1) * u128::from(percent) * u128::from(weight);
    let bound = share.div_ceil(100 * u128::from(weights.max(1)));
    u32::try_from(bound).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn a_bound_is_a_share_and_never_nothing() {
        assert_eq!(bound(999, 125, 1, 4), 313);
        assert_eq!(bound(0, 101, 1, 100), 1);
        assert_eq!(bound(99, 150, 300, 400), 113);
        assert_eq!(bound(u64::from(u32::MAX), 10_000, 1, 1), u32::MAX);
    }
}
