//! What a plan does to the sessions that are there: who moves, why, and how many each backend has before and after.

use std::collections::{BTreeMap, HashMap, HashSet};

use lb_common::{
    hash,
    settings::Settings,
    state::{BackendId, MemberKey, Pin, Policy, Service, SessionKey},
    time::Tick,
};

use super::{BackendState, State};
use crate::health::BackendKey;

/// Why a session can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Its backend leaves.
    BackendRemoved,
    /// Its backend gets another address or port, or its service another address or forwarding: what has the name
    /// then is another server.
    BackendReplaced,
    /// Its service leaves.
    ServiceRemoved,
    /// Its service tells clients by something else.
    Persistence,
    /// It has been idle for longer, or is older, than the service allows then.
    Timeout,
}

impl Cause {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BackendRemoved => "backend_removed",
            Self::BackendReplaced => "backend_replaced",
            Self::ServiceRemoved => "service_removed",
            Self::Persistence => "persistence",
            Self::Timeout => "timeout",
        }
    }
}

/// Sessions of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Now.
    pub before: u64,
    /// Once each client has come back.
    pub after: u64,
}

/// A client that gets another backend at its next connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its session's key.
    pub key: SessionKey,
    /// Connections that it made under that.
    pub connections: u64,
    /// Its backend.
    pub from: BackendKey,
    /// The backend that it gets; `None` where that can't be known.
    pub to: Option<BackendKey>,
    /// Why.
    pub cause: Cause,
}

/// What becomes of all sessions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Impact {
    /// Live sessions.
    pub total: u64,
    /// Those whose client gets another backend at its next connection, by cause.
    pub moved: BTreeMap<Cause, u64>,
    /// Sessions of each backend that is there now or will be.
    pub loads: BTreeMap<BackendKey, Load>,
    /// Of the clients that move those with most connections, [`Impact::NAMED`] at most, the largest first.
    pub biggest: Vec<Hit>,
}

impl Impact {
    /// Clients that are named.
    pub const NAMED: usize = 10;

    /// Names a client, if it is one of the biggest.
    fn name(&mut self, connections: u64, hit: impl FnOnce() -> Hit) {
        let at = self.biggest.partition_point(|other| other.connections >= connections);
        if at < Self::NAMED {
            self.biggest.truncate(Self::NAMED - 1);
            self.biggest.insert(at, hit());
        }
    }
}

/// Where two states differ for sessions. Fed with one session after the other.
pub struct Assessment<'a> {
    now: Tick,
    settings: &'a Settings,
    /// By scope, in both states.
    services: HashMap<u64, (Option<&'a Service>, Option<After<'a>>)>,
    /// By id, in both states.
    backends: [HashMap<BackendId, (u32, &'a BackendKey)>; 2],
    /// Those that serve now.
    serving: HashSet<BackendId>,
    /// In both states.
    members: [&'a BTreeMap<MemberKey, BackendId>; 2],
    impact: Impact,
}

/// A service as it will be.
#[derive(Clone, Copy)]
struct After<'a> {
    entry: &'a Service,
    slots: &'a [u32],
}

impl<'a> Assessment<'a> {
    /// Between what is installed and what a plan leads to.
    pub fn new(current: &'a State, next: &'a State, settings: &'a Settings, now: Tick) -> Self {
        let mut services: HashMap<_, (Option<_>, Option<_>)> = HashMap::new();
        // Of services that share sessions, the first speaks for all.
        for state in current.services.values().filter(|state| state.entry.scope != 0) {
            services.entry(state.entry.scope).or_default().0.get_or_insert(&state.entry);
        }
        for state in next.services.values() {
            if let Some(table) = &state.table {
                let after = After { entry: &state.entry, slots: &table.slots };
                services.entry(state.entry.scope).or_default().1.get_or_insert(after);
            }
        }
        let entry =
            |(key, backend): (&'a BackendKey, &BackendState)| (backend.id, (backend.recipe.generation, key));
        let serving = current.backends.values().filter(|backend| backend.health.serves());
        let serving = serving.map(|backend| backend.id).collect();
        let backends = [current, next].map(|state| state.backends.iter().map(entry).collect());
        let names = current.backends.keys().chain(next.backends.keys());
        let loads = names.map(|key| (key.clone(), Load::default())).collect();
        let impact = Impact { loads, ..Impact::default() };
        let members = [&current.members, &next.members];
        Self { now, settings, services, backends, serving, members, impact }
    }

    /// Looks at a stored session; one that decides nothing any more is not counted.
    pub fn session(&mut self, key: &SessionKey, pin: &Pin) {
        let Some(&(Some(before), after)) = self.services.get(&key.scope) else { return };
        let home = |backends: &HashMap<BackendId, (u32, &'a BackendKey)>| {
            let found = backends.get(&pin.backend).filter(|(generation, _)| *generation == pin.generation);
            found.map(|(_, name)| *name)
        };
        let Some(name) = home(&self.backends[0]) else { return };
        let server = self.member(0, before, pin.backend);
        if !server.is_some_and(|id| self.serving.contains(&id)) {
            return;
        }
        if pin.expired(self.now, before.idle_ticks, before.lifetime_ticks) {
            return;
        }
        self.impact.total += 1;
        self.load(name).before += 1;
        let cause = match after {
            None => Cause::ServiceRemoved,
            Some(After { entry, .. }) if !finds(entry, before, key) => Cause::Persistence,
            Some(_) if home(&self.backends[1]).is_none() => {
                let has_name = self.backends[1].values().any(|(_, other)| *other == name);
                if has_name { Cause::BackendReplaced } else { Cause::BackendRemoved }
            }
            Some(After { entry, .. }) if pin.expired(self.now, entry.idle_ticks, entry.lifetime_ticks) => {
                Cause::Timeout
            }
            Some(_) => {
                self.load(name).after += 1;
                return;
            }
        };
        let by_hash =
            after.filter(|after| foretells(after.entry, before)).and_then(|it| self.by_hash(it, key));
        if let Some((_, goes_to)) = by_hash {
            self.load(goes_to).after += 1;
        }
        if by_hash.is_none_or(|(id, _)| id != pin.backend) {
            *self.impact.moved.entry(cause).or_default() += 1;
            self.impact.name(pin.connections, || Hit {
                key: *key,
                connections: pin.connections,
                from: name.clone(),
                to: by_hash.map(|(_, name)| name.clone()),
                cause,
            });
        }
    }

    /// Where a client goes whose session can't decide.
    fn by_hash(
        &self,
        After { entry, slots }: After<'a>,
        key: &SessionKey,
    ) -> Option<(BackendId, &'a BackendKey)> {
        let hash = hash::client(self.settings, entry.scope, key.client.masked(entry.client_mask));
        let id = BackendId(*slots.get((hash >> 32) as usize & entry.slots_mask as usize)?);
        let home = match entry.policy.has(Policy::GROUPED) {
            true => *self.members[1].get(&MemberKey::of_backend(id))?,
            false => id,
        };
        self.backends[1].get(&home).map(|(_, name)| (home, *name))
    }

    /// The backend of a service that a home stands for, before or after.
    fn member(&self, side: usize, service: &Service, home: BackendId) -> Option<BackendId> {
        match service.policy.has(Policy::GROUPED) {
            true => self.members[side].get(&MemberKey::of_home(home, service.number)).copied(),
            false => Some(home),
        }
    }

    fn load(&mut self, name: &BackendKey) -> &mut Load {
        self.impact.loads.get_mut(name).expect("every backend has an entry")
    }

    /// What was seen.
    pub fn finish(self) -> Impact {
        self.impact
    }
}

/// Is it known what `after` tells a client by that `before` knew? Not if that is more of its address, or its port.
fn foretells(after: &Service, before: &Service) -> bool {
    after.policy.has(Policy::BY_CLIENT) && after.client_mask.masked(before.client_mask) == after.client_mask
}

/// Does the client whose session this is find it then? (It may find another's, where prefixes are told in place of
/// addresses: that of the prefix's own address.)
fn finds(after: &Service, before: &Service, key: &SessionKey) -> bool {
    foretells(after, before) && key.client.masked(after.client_mask) == key.client
}
