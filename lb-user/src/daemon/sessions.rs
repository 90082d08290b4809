//! `sessions`: what is stored, and how it is forgotten.

use std::{
    collections::{BinaryHeap, HashMap},
    time::Duration,
};

use ipnet::IpNet;
use lb_common::{
    state::{BackendId, Health, Pin, SessionKey},
    tables::Store,
    time::Tick,
};

use super::{core::Core, handle::Answer, search::Owner};
use crate::{
    api::{Dropped, ListedSession, Refusal, Session, SessionFilter, SessionList},
    clock,
    health::BackendKey,
};

/// A session in a list.
struct Row {
    key: SessionKey,
    client: IpNet,
    pin: Pin,
    store: Store,
}

/// A part of a list.
struct Page {
    matching: u64,
    is_last: bool,
    rows: Vec<Row>,
}

impl Core {
    /// Stored sessions that `filter` fits, one page of them.
    pub(super) fn list_sessions(
        &mut self,
        filter: &SessionFilter,
        answer: Answer<Result<SessionList, Refusal>>,
    ) {
        let (limit, after) = match bounds(filter) {
            Ok(bounds) => bounds,
            Err(refusal) => return answer.give(Err(refusal)),
        };
        self.answer_of(
            filter,
            answer,
            move |search, sessions| {
                // The first ones behind `after`: a heap of those, with the last one on top. Memory is for one page.
                let mut page = BinaryHeap::new();
                let (mut matching, mut behind) = (0, 0u64);
                search.each(sessions, |found| {
                    matching += 1;
                    if after
                        .as_ref()
                        .is_some_and(|(service, client)| found.place() <= (service.as_str(), *client))
                    {
                        return;
                    }
                    behind += 1;
                    page.push(found);
                    if page.len() > limit {
                        page.pop();
                    }
                })?;
                let is_last = behind == page.len() as u64;
                let page = page.into_sorted_vec().into_iter();
                let rows = page
                    .map(|it| Row { key: it.key, client: it.client, pin: it.pin, store: it.store })
                    .collect();
                Ok(Page { matching, is_last, rows })
            },
            |core, search, Page { matching, is_last, rows }| {
                let now = clock::now();
                let homes = core.state.backends.iter().map(|(key, backend)| {
                    (backend.id, (key.backend.as_str(), backend.recipe.generation, core.health_of(key)))
                });
                let homes = homes.collect();
                let sessions: Vec<_> =
                    rows.iter().map(|row| listed(row, &search.owners[&row.key.scope], &homes, now)).collect();
                let last = sessions.last().filter(|_| !is_last);
                let next = last.map(|last| format!("{}/{}", last.service, last.client));
                Ok(SessionList { matching, sessions, next })
            },
        );
    }

    /// Forgets the sessions that `filter` fits: their clients are chosen for anew. Open connections go on, and as
    /// long as one has traffic it makes a new session, where it is.
    pub(super) fn drop_sessions(&mut self, filter: &SessionFilter, answer: Answer<Result<Dropped, Refusal>>) {
        let everything =
            SessionFilter { limit: None, after: None, ..filter.clone() } == SessionFilter::default();
        if everything {
            return answer.give(Err(Refusal::invalid("say which sessions: by service, client or backend")));
        }
        self.answer_of(
            filter,
            answer,
            |search, sessions| {
                let mut found = Vec::new();
                search.each(sessions, |session| found.push((session.key, session.pin)))?;
                let mut dropped = Vec::new();
                for (key, was) in found {
                    // It may have moved since.
                    if sessions.remove_if(&key, |pin| pin.same_home(&was))? {
                        dropped.push(key);
                    }
                }
                Ok(dropped)
            },
            |core, _, dropped| {
                dropped.iter().for_each(|key| core.program.forget(key));
                Ok(Dropped { sessions: dropped.len() as u64 })
            },
        );
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
}

/// How many sessions a list has, and behind which it begins.
fn bounds(filter: &SessionFilter) -> Result<(usize, Option<(String, IpNet)>), Refusal> {
    let limit = filter.limit.unwrap_or(SessionFilter::LIMIT);
    if !(1..=SessionFilter::MOST).contains(&limit) {
        return Err(Refusal::invalid(format!(
            "a list has 1 to {} sessions, not {limit}",
            SessionFilter::MOST
        )));
    }
    Ok((limit, filter.after.as_deref().map(place).transpose()?))
}

fn listed(
    row: &Row,
    owner: &Owner,
    homes: &HashMap<BackendId, (&str, u32, Health)>,
    now: Tick,
) -> ListedSession {
    let Row { client, pin, store, .. } = row;
    let home = homes.get(&pin.backend).filter(|(_, generation, _)| *generation == pin.generation);
    let left =
        |limit: Duration, since: Tick| (limit.as_secs_f64() - Tick::seconds(now.since(since))).max(0.0);
    ListedSession {
        service: owner.name.clone(),
        client: *client,
        session: Session {
            backend: home.map(|(name, ..)| (*name).to_owned()),
            proven: *store == Store::Pins,
            age_s: Tick::seconds(now.since(pin.created)),
            idle_s: Tick::seconds(now.since(pin.seen)),
            valid: home.is_some_and(|(.., health)| health.serves())
                && !pin.expired(now, owner.idle_ticks, owner.lifetime_ticks),
        },
        idle_left_s: left(owner.persistence.idle_timeout, pin.seen),
        lifetime_left_s: owner.persistence.max_lifetime.map(|limit| left(limit, pin.created)),
    }
}

/// Where a page begins: `service/client`, as [`SessionList::next`] says.
fn place(text: &str) -> Result<(String, IpNet), Refusal> {
    let parts =
        text.split_once('/').and_then(|(service, client)| Some((service.to_owned(), client.parse().ok()?)));
    parts.ok_or_else(|| Refusal::invalid(format!("a list goes on where its `next` says, not at {text:?}")))
}
