//! `sessions crowds`: clients that carry so much of a service that they may be many people behind one address.

use std::collections::HashMap;

use super::core::Core;
use crate::api::{Crowd, CrowdQuery, Crowds, Refusal, SessionFilter};

impl Core {
    /// Clients with at least a given share of their service's connections.
    pub(super) fn crowds(&self, query: &CrowdQuery) -> Result<Crowds, Refusal> {
        if !(0.0..=100.0).contains(&query.share) {
            return Err(Refusal::invalid(format!("a share is 0 to 100 per cent, not {}", query.share)));
        }
        let filter = SessionFilter { service: query.service.clone(), ..SessionFilter::default() };
        let owners = self.owners(&filter)?;
        let mut totals: HashMap<u64, u64> = HashMap::new();
        self.each_session(&filter, &owners, |found| {
            *totals.entry(found.key.scope).or_default() += found.pin.connections;
        })?;
        let share = |scope: u64, connections: u64| {
            let total = totals.get(&scope).copied().unwrap_or_default().max(1);
            100.0 * connections as f64 / total as f64
        };
        let mut crowds = Vec::new();
        self.each_session(&filter, &owners, |found| {
            let share = share(found.key.scope, found.pin.connections);
            // One that came since the totals were made has no part in them.
            if share >= query.share && totals.contains_key(&found.key.scope) {
                crowds.push(Crowd {
                    service: found.service().to_owned(),
                    client: found.client(),
                    backend: self.backend_name(found.pin.backend),
                    connections: found.pin.connections,
                    share: share.min(100.0),
                });
            }
        })?;
        crowds.sort_by(|a, b| b.share.total_cmp(&a.share));
        crowds.truncate(Crowds::MOST);
        Ok(Crowds { crowds })
    }
}
