//! A history happens to all three: the balancer, its daemon, and the oracle.

use lb_common::{
    reason::Reason,
    state::{Cause, SessionKey},
    tables::Store,
    time::Tick,
};

use super::{
    balancer::Balancer,
    daemon::Daemon,
    event::{Event, Flag, History, Order, Tuple},
    oracle::Oracle,
    played::Played,
    setup::FIRST,
    wire,
};

/// Plays a history. `None` if the balancer's clock went on in between by itself.
///
/// # Errors
/// What was not as it must be, and after which event.
pub fn play(balancer: &mut impl Balancer, history: &History) -> Result<Option<Played>, String> {
    balancer.begin();
    let mut scene = Scene::new(balancer, history).map_err(|what| format!("at first: {what}"))?;
    let last = [Event::CatchUp];
    for event in history.events.iter().chain(&last) {
        let result = scene.happen(*event).and_then(|()| scene.compare());
        if scene.was_held_up() {
            return Ok(None);
        }
        result.map_err(|what| format!("{event:?}: {what}"))?;
    }
    let result = scene.roll_call().and_then(|()| scene.compare());
    if scene.was_held_up() {
        return Ok(None);
    }
    result.map_err(|what| format!("at last: {what}"))?;
    Ok(Some(scene.played()))
}

struct Scene<'a, B> {
    balancer: &'a mut B,
    daemon: Daemon,
    oracle: Oracle,
    services: u8,
    patience: u32,
    /// What the clock shows if nobody but the history moves it.
    clock: Tick,
    /// How far the history has moved time on.
    gone: u32,
    events: u64,
    segments: u64,
}

impl<'a, B: Balancer> Scene<'a, B> {
    fn new(balancer: &'a mut B, history: &History) -> Result<Self, String> {
        let setup = history.setup;
        let daemon = Daemon::new(setup, balancer.ifindex());
        let (patience, clock) = (balancer.patience(), balancer.now());
        let (oracle, services) = (Oracle::new(setup), setup.shape.services());
        let mut scene =
            Self { balancer, daemon, oracle, services, patience, clock, gone: 0, events: 0, segments: 0 };
        for service in 0..services {
            for name in 0..FIRST {
                scene.add(service, name, false, 100);
            }
        }
        scene.install()?;
        Ok(scene)
    }

    /// The oracle's time: the balancer's may stand still while its stamps move.
    fn now(&self) -> Tick {
        Tick(1_000_000 + self.gone)
    }

    fn was_held_up(&self) -> bool {
        let now = self.balancer.now();
        now != self.clock && now.0 != self.clock.0 + self.gone
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        self.events += 1;
        let now = self.now();
        match event {
            Event::Says(tuple, flag) => self.says(tuple, flag)?,
            Event::Dials(tuple) => {
                self.says(tuple, Flag::Syn)?;
                self.answers(tuple, Flag::Ack)?;
                self.says(tuple, Flag::Ack)?;
            }
            Event::Answers(tuple, flag) => self.answers(tuple, flag)?,
            Event::Wait(ticks) => {
                let ticks = ticks.min(self.patience - self.gone);
                self.balancer.wait(ticks);
                self.gone += ticks;
            }
            Event::Check { service, name, up, late } => {
                let service = service % self.services;
                if self.oracle.fleet.check(service, name, up, now) {
                    self.daemon
                        .note(service, name, up, self.balancer)
                        .map_err(|error| format!("{error:#}"))?;
                    if !late {
                        self.install()?;
                    }
                }
            }
            Event::Order { service, name, order } => {
                let service = service % self.services;
                if self.oracle.fleet.order(service, name, order, now) {
                    self.daemon.order(service, name, order);
                    self.install()?;
                }
            }
            Event::Weigh { service, name, weight } => {
                let service = service % self.services;
                if self.oracle.fleet.weigh(service, name, weight, now) {
                    let backends = &mut self.daemon.backends[usize::from(service)];
                    backends.get_mut(&name).expect("the fleet has it").1 = weight;
                    self.install()?;
                }
            }
            Event::Add { service, name, moved } => {
                if self.add(service % self.services, name, moved, 100) {
                    self.install()?;
                }
            }
            Event::Remove { service, name } => {
                let service = service % self.services;
                if self.oracle.fleet.remove(service, name) {
                    self.daemon.backends[usize::from(service)].remove(&name);
                    self.daemon.order(service, name, Order::Enable);
                    self.install()?;
                }
            }
            Event::Replace { name } => {
                self.oracle.fleet.replace(name, now);
                for service in 0..self.services {
                    if let Some(backend) = self.oracle.fleet.of(service).get(&name) {
                        let entry = (backend.server, backend.weight);
                        self.daemon.backends[usize::from(service)].insert(name, entry);
                    }
                }
                self.install()?;
            }
            Event::Reload(mut policy) => {
                // A group has sessions.
                policy.by_client |= self.daemon.scope(0) == self.daemon.scope(self.services - 1);
                (self.daemon.policy, self.oracle.policy) = (policy, policy);
                self.install()?;
            }
            Event::CatchUp => self.install()?,
            Event::Restart => {
                self.oracle.fleet.restart(now);
                self.oracle.fleet.rebuild();
                self.daemon.restart(self.balancer).map_err(|error| format!("{error:#}"))?;
            }
            Event::Evict { service, client } => {
                let service = service % self.services;
                let of = self.oracle.session_of(service, client);
                if self.oracle.sessions.get(&of).is_some_and(|session| !session.is_proven) {
                    self.oracle.sessions.remove(&of);
                }
                self.balancer.evict(&self.key(of));
            }
        }
        Ok(())
    }

    fn install(&mut self) -> Result<(), String> {
        self.oracle.fleet.rebuild();
        self.daemon.install(self.balancer).map_err(|error| format!("{error:#}"))
    }

    fn add(&mut self, service: u8, name: u8, moved: bool, weight: u32) -> bool {
        let is_new = self.oracle.fleet.add(service, name, moved, weight, self.now());
        if is_new {
            let server = self.oracle.fleet.of(service)[&name].server;
            self.daemon.backends[usize::from(service)].insert(name, (server, weight));
        }
        is_new
    }

    fn says(&mut self, tuple: Tuple, flag: Flag) -> Result<(), String> {
        let tuple = Tuple { service: tuple.service % self.services, ..tuple };
        if flag != Flag::Syn && self.oracle.is_reset(tuple) {
            return Ok(());
        }
        self.segments += 1;
        let left = self.balancer.send(&wire::segment(tuple, flag));
        self.oracle.came(tuple, flag, self.now(), left)
    }

    fn answers(&mut self, tuple: Tuple, flag: Flag) -> Result<(), String> {
        let tuple = Tuple { service: tuple.service % self.services, ..tuple };
        let Some(delivered) = self.oracle.answerable(tuple) else { return Ok(()) };
        let frame = self.balancer.send(&wire::answer(delivered, flag)).ok_or("an answer was lost")?;
        if !wire::is_answer(&frame, tuple) {
            return Err(format!("an answer went elsewhere: {frame:02x?}"));
        }
        self.oracle.answered(tuple, flag);
        Ok(())
    }

    /// Everybody speaks once more, and opens another connection.
    fn roll_call(&mut self) -> Result<(), String> {
        for tuple in self.oracle.connections() {
            self.says(tuple, Flag::Ack).map_err(|what| format!("{tuple:?}: {what}"))?;
        }
        for service in 0..self.services {
            for client in 0..4 {
                let tuple = Tuple { service, client, port: 9 };
                self.says(tuple, Flag::Syn).map_err(|what| format!("{tuple:?}: {what}"))?;
            }
        }
        Ok(())
    }

    fn key(&self, (service, client): (u8, u8)) -> SessionKey {
        let address = std::net::IpAddr::V4(wire::client(client));
        SessionKey { scope: self.daemon.scope(service), client: address.into() }
    }

    /// What is stored and counted must be what the rules say.
    fn compare(&self) -> Result<(), String> {
        self.compare_sessions()?;
        for (service, expected) in (0..).zip(&self.oracle.audits) {
            let counted = self.balancer.audit(self.daemon.number(service));
            if counted.kept != expected.kept {
                return Err(format!("service {service} kept {}, not {}", counted.kept, expected.kept));
            }
            for &cause in Cause::ALL {
                let [counted, expected] = [&counted, expected].map(|audit| audit.broken[cause as usize]);
                if counted != expected {
                    let cause = cause.name();
                    return Err(format!("service {service}: {counted} promises {cause}, not {expected}"));
                }
            }
        }
        let made = [Reason::FlowNew, Reason::SessionNew, Reason::SessionProven];
        for (reason, &expected) in made.into_iter().zip(&self.oracle.made) {
            let counted = self.balancer.count(reason);
            if counted != expected {
                return Err(format!("{} {}, not {expected}", counted, reason.name()));
            }
        }
        Ok(())
    }

    fn compare_sessions(&self) -> Result<(), String> {
        let (stored, now) = (self.balancer.sessions(), self.balancer.now());
        if stored.len() != self.oracle.sessions.len() {
            return Err(format!("{} sessions, not {}", stored.len(), self.oracle.sessions.len()));
        }
        for (&of, expected) in &self.oracle.sessions {
            let key = self.key(of);
            let found = stored.iter().find(|(_, other, _)| *other == key);
            let Some((store, _, pin)) = found else { return Err(format!("the session {of:?} is gone")) };
            let owner = self.daemon.owner(pin.backend, pin.generation);
            let lives = |(service, name): (Option<u8>, u8)| {
                let mut services = service.map_or(0..self.services, |service| service..service + 1);
                services.find_map(|service| self.oracle.fleet.of(service).get(&name)).map(|it| it.home)
            };
            let home = owner.and_then(lives);
            if home != self.oracle.fleet.is_home(expected.home).then_some(expected.home) {
                return Err(format!("the session {of:?} is at {owner:?}: life {home:?}, not {expected:?}"));
            }
            let ages = (now.0 - pin.created.0, now.0 - pin.seen.0, *store == Store::Pins);
            let at = self.now();
            let wanted = (at.0 - expected.created.0, at.0 - expected.seen.0, expected.is_proven);
            if ages != wanted {
                return Err(format!("the session {of:?} has (age, idle, proven) {ages:?}, not {wanted:?}"));
            }
        }
        Ok(())
    }

    fn played(&self) -> Played {
        let mut played = Played { events: self.events, segments: self.segments, ..Played::default() };
        self.oracle.audits.iter().for_each(|audit| played.audited(audit));
        played
    }
}
