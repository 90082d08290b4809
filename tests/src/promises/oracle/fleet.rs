//! The servers: who is there, and in what state.

use std::collections::BTreeMap;

use lb_common::time::Tick;

use super::super::{
    event::Order,
    setup::{NAMES, Shape},
    wire::Server,
};

/// What may be sent to a backend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Everything.
    Up,
    /// What is its own.
    Draining,
    /// Nothing: its check fails.
    Down,
    /// Nothing, by order.
    Disabled,
}

/// A number that no other backend or home has, nor had.
pub type Life = u32;

/// A backend of a service.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// Which server it is.
    pub server: Server,
    /// Its own: whoever comes after it under its name has another.
    pub life: Life,
    /// Whose name sessions bear: its own, or in a group its server's.
    pub home: Life,
    /// Its share of new clients.
    pub weight: u32,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Tick,
    passes: bool,
    order: Order,
}

impl Backend {
    /// Do its connections and sessions go on?
    pub fn serves(&self) -> bool {
        matches!(self.state, State::Up | State::Draining)
    }

    /// An order goes before a check, except that a drain can't mend what has failed.
    fn judge(&mut self, now: Tick) {
        let state = match (self.order, self.passes) {
            (Order::Disable, _) => State::Disabled,
            (_, false) => State::Down,
            (Order::Drain, true) => State::Draining,
            (Order::Enable, true) => State::Up,
        };
        if state != self.state {
            (self.state, self.since) = (state, now);
        }
    }
}

/// Names and weights of those that share a service's slots.
pub type Table = Vec<(u8, u32)>;

/// All backends of all services.
#[derive(Debug)]
pub struct Fleet {
    is_group: bool,
    services: Vec<BTreeMap<u8, Backend>>,
    /// As they were planned last.
    tables: Vec<Table>,
    versions: [u8; NAMES as usize],
    lives: Life,
}

impl Fleet {
    /// Nobody.
    pub fn new(shape: Shape) -> Self {
        let services = usize::from(shape.services());
        Self {
            is_group: shape == Shape::Group,
            services: vec![BTreeMap::new(); services],
            tables: vec![Table::new(); services],
            versions: [0; NAMES as usize],
            lives: 0,
        }
    }

    /// A service's backends.
    pub fn of(&self, service: u8) -> &BTreeMap<u8, Backend> {
        &self.services[usize::from(service)]
    }

    /// A backend, while it lives.
    pub fn alive(&self, service: u8, life: Life) -> Option<&Backend> {
        self.of(service).values().find(|backend| backend.life == life)
    }

    /// Whom a service's slots were given to.
    pub fn table(&self, service: u8) -> &Table {
        &self.tables[usize::from(service)]
    }

    /// Is there a backend, of any service, that stands for this home?
    pub fn is_home(&self, home: Life) -> bool {
        self.services.iter().flat_map(BTreeMap::values).any(|backend| backend.home == home)
    }

    /// Gives a service a server; where the group has it, the very one. False if it has one of the name.
    pub fn add(&mut self, service: u8, name: u8, moved: bool, weight: u32, now: Tick) -> bool {
        if self.of(service).contains_key(&name) {
            return false;
        }
        let other = self.services.iter().find_map(|backends| backends.get(&name)).filter(|_| self.is_group);
        let shared = other.map(|backend| (backend.server, backend.home));
        if moved && shared.is_none() {
            self.versions[usize::from(name)] += 1;
        }
        let life = self.birth();
        let (server, home) =
            shared.unwrap_or((Server { name, version: self.versions[usize::from(name)] }, life));
        let backend = Backend {
            server,
            life,
            home,
            weight,
            state: State::Up,
            since: now,
            passes: true,
            order: Order::Enable,
        };
        self.services[usize::from(service)].insert(name, backend);
        true
    }

    /// Takes one away; false if it is not there, or the last.
    pub fn remove(&mut self, service: u8, name: u8) -> bool {
        let backends = &mut self.services[usize::from(service)];
        backends.len() > 1 && backends.remove(&name).is_some()
    }

    /// A server is another from now on, in whichever services: it has passed no check, and orders stay.
    pub fn replace(&mut self, name: u8, now: Tick) {
        self.versions[usize::from(name)] += 1;
        let server = Server { name, version: self.versions[usize::from(name)] };
        let mut shared = None;
        for service in 0..self.services.len() {
            let life = self.birth();
            let Some(backend) = self.services[service].get_mut(&name) else { continue };
            let home = if self.is_group { *shared.get_or_insert(life) } else { life };
            *backend = Backend { server, life, home, passes: true, since: now, ..*backend };
            backend.judge(now);
        }
    }

    /// Changes something about a backend; false if it is not there.
    fn change(&mut self, service: u8, name: u8, now: Tick, change: impl Fn(&mut Backend)) -> bool {
        let Some(backend) = self.services[usize::from(service)].get_mut(&name) else { return false };
        change(backend);
        backend.judge(now);
        true
    }

    /// Its check passes, or fails.
    pub fn check(&mut self, service: u8, name: u8, passes: bool, now: Tick) -> bool {
        self.change(service, name, now, |backend| backend.passes = passes)
    }

    /// An operator's order.
    pub fn order(&mut self, service: u8, name: u8, order: Order, now: Tick) -> bool {
        self.change(service, name, now, |backend| backend.order = order)
    }

    /// Another weight.
    pub fn weigh(&mut self, service: u8, name: u8, weight: u32, now: Tick) -> bool {
        self.change(service, name, now, |backend| backend.weight = weight)
    }

    /// A new daemon knows of checks what states say: what is not down has passed.
    pub fn restart(&mut self, now: Tick) {
        for backend in self.services.iter_mut().flat_map(BTreeMap::values_mut) {
            backend.passes = backend.state != State::Down;
            backend.judge(now);
        }
    }

    /// Slots are given to those that are up; if nobody is, to all.
    pub fn rebuild(&mut self) {
        for (table, backends) in self.tables.iter_mut().zip(&self.services) {
            let member = |(name, backend): (&u8, &Backend)| (*name, backend.weight);
            *table = backends.iter().filter(|(_, it)| it.state == State::Up).map(member).collect();
            if table.is_empty() {
                *table = backends.iter().map(member).collect();
            }
        }
    }

    fn birth(&mut self) -> Life {
        self.lives += 1;
        self.lives
    }
}
