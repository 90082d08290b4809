//! `sessions crowds`: clients that carry so much of a service that they may be many people behind one address.

use std::collections::HashMap;

use super::{core::Core, handle::Answer};
use crate::api::{Crowd, CrowdQuery, Crowds, Refusal, SessionFilter};

impl Core {
    /// Clients with at least a given share of their service's connections.
    pub(super) fn crowds(&mut self, query: &CrowdQuery, answer: Answer<Result<Crowds, Refusal>>) {
        let least = query.share;
        if !(0.0..=100.0).contains(&least) {
            let refusal = Refusal::invalid(format!("a share is 0 to 100 per cent, not {least}"));
            return answer.give(Err(refusal));
        }
        let filter = SessionFilter { service: query.service.clone(), ..SessionFilter::default() };
        self.answer_of(
            &filter,
            answer,
            move |search, sessions| {
                let mut totals: HashMap<u64, u64> = HashMap::new();
                search.each(sessions, |found| {
                    *totals.entry(found.key.scope).or_default() += found.pin.connections;
                })?;
                let mut crowds = Vec::new();
                search.each(sessions, |found| {
                    // One that came since the totals were made has no part in them.
                    let Some(total) = totals.get(&found.key.scope) else { return };
                    let share = 100.0 * found.pin.connections as f64 / (*total).max(1) as f64;
                    if share >= least {
                        let crowd = Crowd {
                            service: found.owner.name.clone(),
                            client: found.client,
                            backend: None,
                            connections: found.pin.connections,
                            share: share.min(100.0),
                        };
                        crowds.push((crowd, found.pin.backend));
                    }
                })?;
                crowds.sort_by(|(a, _), (b, _)| b.share.total_cmp(&a.share));
                crowds.truncate(Crowds::MOST);
                Ok(crowds)
            },
            |core, _, crowds| {
                let names: HashMap<_, _> =
                    core.state.backends.iter().map(|(key, it)| (it.id, &key.backend)).collect();
                let named = |(crowd, home)| Crowd { backend: names.get(&home).copied().cloned(), ..crowd };
                Ok(Crowds { crowds: crowds.into_iter().map(named).collect() })
            },
        );
    }
}
