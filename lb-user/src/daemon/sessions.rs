//! `sessions`: what is stored, and how it is forgotten.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap, HashSet},
    time::Duration,
};

use anyhow::Result;
use ipnet::IpNet;
use lb_common::{
    state::{BackendId, Health, Pin, Service, SessionKey},
    tables::Store,
    time::Tick,
};

use super::core::Core;
use crate::{
    api::{Dropped, ListedSession, Refusal, Session, SessionFilter, SessionList},
    clock,
    health::BackendKey,
    model,
};

/// A service whose sessions are looked at; of a group, its first.
pub(super) struct Owner<'a> {
    service: &'a model::Service,
    pub(super) idle_ticks: u32,
    pub(super) lifetime_ticks: u32,
}

/// A session that the filter fits; in the order of lists.
pub(super) struct Found<'a> {
    pub(super) owner: &'a Owner<'a>,
    client: IpNet,
    pub(super) key: SessionKey,
    pub(super) pin: Pin,
    store: Store,
}

impl Found<'_> {
    /// The service; of a group, its first.
    pub(super) fn service(&self) -> &str {
        &self.owner.service.name
    }

    /// The client: its address, or the prefix that it is known by.
    pub(super) const fn client(&self) -> IpNet {
        self.client
    }

    fn place(&self) -> (&str, IpNet) {
        (&self.owner.service.name, self.client)
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

impl Core {
    /// Stored sessions that `filter` fits, one page of them.
    pub(super) fn list_sessions(&self, filter: &SessionFilter) -> Result<SessionList, Refusal> {
        let limit = filter.limit.unwrap_or(SessionFilter::LIMIT);
        if !(1..=SessionFilter::MOST).contains(&limit) {
            return Err(Refusal::invalid(format!(
                "a list has 1 to {} sessions, not {limit}",
                SessionFilter::MOST
            )));
        }
        let after = filter.after.as_deref().map(place).transpose()?;
        let owners = self.owners(filter)?;
        // The first ones behind `after`: a heap of those, with the last one on top. Memory is for one page.
        let mut page = BinaryHeap::new();
        let (mut matching, mut behind) = (0, 0u64);
        self.each_session(filter, &owners, |found| {
            matching += 1;
            if after.as_ref().is_some_and(|(service, client)| found.place() <= (service, *client)) {
                return;
            }
            behind += 1;
            page.push(found);
            if page.len() > limit {
                page.pop();
            }
        })?;
        let page = page.into_sorted_vec();
        let is_last = behind == page.len() as u64;
        let next = page
            .last()
            .filter(|_| !is_last)
            .map(|last| format!("{}/{}", last.owner.service.name, last.client));
        let now = clock::now();
        let homes = self.state.backends.iter().map(|(key, backend)| {
            (backend.id, (key.backend.as_str(), backend.recipe.generation, self.health_of(key)))
        });
        let homes = homes.collect();
        let sessions = page.iter().map(|found| listed(found, &homes, now)).collect();
        Ok(SessionList { matching, sessions, next })
    }

    /// Forgets the sessions that `filter` fits: their clients are chosen for anew. Open connections go on, and as
    /// long as one has traffic it makes a new session, where it is.
    pub(super) fn drop_sessions(&mut self, filter: &SessionFilter) -> Result<Dropped, Refusal> {
        let everything =
            SessionFilter { limit: None, after: None, ..filter.clone() } == SessionFilter::default();
        if everything {
            return Err(Refusal::invalid("say which sessions: by service, client or backend"));
        }
        let owners = self.owners(filter)?;
        let mut found = Vec::new();
        self.each_session(filter, &owners, |session| found.push((session.store, session.key, session.pin)))?;
        let mut sessions = 0;
        for (store, key, pin) in &found {
            // It may have moved since.
            if self.program.kernel.session(*store, key)?.is_some_and(|now| now.same_home(pin)) {
                self.program.kernel.remove_session(*store, key)?;
                self.program.forget(key);
                sessions += 1;
            }
        }
        Ok(Dropped { sessions })
    }

    /// A backend's state; that of a group's server is its best in any of the services.
    fn health_of(&self, key: &BackendKey) -> Health {
        let state =
            |key: &BackendKey| self.state.backends.get(key).map_or(Health::Absent, |known| known.health);
        let Some(group) = key.service.strip_prefix('@') else { return state(key) };
        let services =
            self.model.services.iter().filter(|service| service.persistence.group.as_deref() == Some(group));
        services
            .map(|service| state(&BackendKey::new(&service.name, &key.backend)))
            .min_by_key(|health| !health.serves())
            .unwrap_or_default()
    }

    /// The services that `filter` is about, by scope.
    pub(super) fn owners(&self, filter: &SessionFilter) -> Result<HashMap<u64, Owner<'_>>, Refusal> {
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
            owners.entry(scope).or_insert(Owner { service, idle_ticks, lifetime_ticks });
        }
        Ok(owners)
    }

    /// Calls `each` for every stored session that `filter` fits.
    pub(super) fn each_session<'o>(
        &self,
        filter: &SessionFilter,
        owners: &'o HashMap<u64, Owner<'o>>,
        mut each: impl FnMut(Found<'o>),
    ) -> Result<()> {
        let homes: Option<HashSet<(BackendId, u32)>> = filter.backend.as_ref().map(|name| {
            let all = self.state.backends.iter().filter(|(key, _)| key.backend == *name);
            all.map(|(_, backend)| (backend.id, backend.recipe.generation)).collect()
        });
        self.program.kernel.for_each_session(|session| {
            let Some(owner) = owners.get(&session.key.scope) else { return };
            let Some(client) = owner.service.persistence.known_as(session.key.client.into()) else { return };
            let overlaps = |wanted: &IpNet| wanted.contains(&client) || client.contains(wanted);
            if filter.client.as_ref().is_none_or(overlaps)
                && homes
                    .as_ref()
                    .is_none_or(|homes| homes.contains(&(session.pin.backend, session.pin.generation)))
            {
                each(Found { owner, client, key: session.key, pin: session.pin, store: session.store });
            }
        })
    }
}

fn listed(found: &Found<'_>, homes: &HashMap<BackendId, (&str, u32, Health)>, now: Tick) -> ListedSession {
    let Found { owner, client, pin, store, .. } = found;
    let persistence = &owner.service.persistence;
    let home = homes.get(&pin.backend).filter(|(_, generation, _)| *generation == pin.generation);
    let left =
        |limit: Duration, since: Tick| (limit.as_secs_f64() - Tick::seconds(now.since(since))).max(0.0);
    ListedSession {
        service: owner.service.name.clone(),
        client: *client,
        session: Session {
            backend: home.map(|(name, ..)| (*name).to_owned()),
            proven: *store == Store::Pins,
            age_s: Tick::seconds(now.since(pin.created)),
            idle_s: Tick::seconds(now.since(pin.seen)),
            valid: home.is_some_and(|(.., health)| health.serves())
                && !pin.expired(now, owner.idle_ticks, owner.lifetime_ticks),
        },
        idle_left_s: left(persistence.idle_timeout, pin.seen),
        lifetime_left_s: persistence.max_lifetime.map(|limit| left(limit, pin.created)),
    }
}

/// Where a page begins: `service/client`, as [`SessionList::next`] says.
fn place(text: &str) -> Result<(&str, IpNet), Refusal> {
    let parts = text.split_once('/').and_then(|(service, client)| Some((service, client.parse().ok()?)));
    parts.ok_or_else(|| Refusal::invalid(format!("a list goes on where its `next` says, not at {text:?}")))
}
