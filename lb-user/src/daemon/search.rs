//! Stored sessions that a filter fits: found beside the daemon's task, in services as they were when it was asked.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
};

use anyhow::Result;
use ipnet::IpNet;
use lb_common::{
    state::{BackendId, Pin, Service, SessionKey},
    tables::Store,
};

use super::{core::Core, handle::Answer};
use crate::{
    api::{Refusal, SessionFilter},
    dataplane::Sessions,
    model::Persistence,
};

/// A service whose sessions are looked at; of a group, its first.
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) persistence: Persistence,
    pub(super) idle_ticks: u32,
    pub(super) lifetime_ticks: u32,
}

/// A session that the filter fits; in the order of lists.
pub(super) struct Found<'s> {
    pub(super) owner: &'s Owner,
    /// Its address, or the prefix that it is known by.
    pub(super) client: IpNet,
    pub(super) key: SessionKey,
    pub(super) pin: Pin,
    pub(super) store: Store,
}

/// Which sessions are looked for.
pub(super) struct Search {
    client: Option<IpNet>,
    /// By id and generation; `None`: all.
    homes: Option<HashSet<(BackendId, u32)>>,
    /// By scope.
    pub(super) owners: HashMap<u64, Owner>,
}

impl Found<'_> {
    /// Its service and client.
    pub(super) fn place(&self) -> (&str, IpNet) {
        (&self.owner.name, self.client)
    }
}

impl Ord for Found<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Found<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Found<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Found<'_> {}

impl Search {
    /// Calls `each` for every stored session that is looked for.
    pub(super) fn each<'s>(&'s self, sessions: &Sessions, mut each: impl FnMut(Found<'s>)) -> Result<()> {
        sessions.for_each(|session| {
            let Some(owner) = self.owners.get(&session.key.scope) else { return };
            let Some(client) = owner.persistence.known_as(session.key.client.into()) else { return };
            let overlaps = |wanted: &IpNet| wanted.contains(&client) || client.contains(wanted);
            let home = (session.pin.backend, session.pin.generation);
            if self.client.as_ref().is_none_or(overlaps)
                && self.homes.as_ref().is_none_or(|homes| homes.contains(&home))
            {
                each(Found { owner, client, key: session.key, pin: session.pin, store: session.store });
            }
        })
    }
}

impl Core {
    fn search(&self, filter: &SessionFilter) -> Result<Search, Refusal> {
        let services: Vec<_> = match &filter.service {
            Some(name) => vec![self.named(name)?],
            None => self.model.services.iter().collect(),
        };
        let has = |name: &String| services.iter().flat_map(|it| &it.backends).any(|it| it.name == *name);
        if let Some(name) = filter.backend.as_ref().filter(|name| !has(name)) {
            return Err(Refusal::not_found(format!("no service that is meant has a backend `{name}`")));
        }
        let mut owners = HashMap::new();
        for service in services {
            let Some(entry) = self.state.entry(service) else { continue };
            let Service { scope, idle_ticks, lifetime_ticks, .. } = *entry;
            owners.entry(scope).or_insert_with(|| Owner {
                name: service.name.clone(),
                persistence: service.persistence.clone(),
                idle_ticks,
                lifetime_ticks,
            });
        }
        let homes = filter.backend.as_ref().map(|name| {
            let all = self.state.backends.iter().filter(|(key, _)| key.backend == *name);
            all.map(|(_, backend)| (backend.id, backend.recipe.generation)).collect()
        });
        Ok(Search { client: filter.client, homes, owners })
    }

    /// Answers a question about the sessions that `filter` fits: `work` reads them beside the daemon's task, `then` makes
    /// the answer of it in the task.
    pub(super) fn answer_of<R: Send + 'static, A: Send + 'static>(
        &mut self,
        filter: &SessionFilter,
        answer: Answer<Result<A, Refusal>>,
        work: impl FnOnce(&Search, &mut Sessions) -> Result<R> + Send + 'static,
        then: impl FnOnce(&mut Self, &Search, R) -> Result<A, Refusal> + Send + 'static,
    ) {
        let search = match self.search(filter) {
            Ok(search) => search,
            Err(refusal) => return answer.give(Err(refusal)),
        };
        self.aside(
            move |sessions| Ok((work(&search, sessions)?, search)),
            move |core, outcome| {
                let outcome = outcome.map_err(Refusal::from);
                answer.give(outcome.and_then(|(found, search)| then(core, &search, found)));
            },
        );
    }
}
