//! A history happens to all three: the balancer, its daemon, and the oracle.

use lb_common::{state::SessionKey, time::Tick};

use super::{
    balancer::Balancer,
    daemon::Daemon,
    event::{Event, Flag, History, Order, Tuple},
    oracle::Oracle,
    played::Played,
    setup::{FIRST, Setup, Shape},
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
        if scene.balancer.was_held_up() {
            return Ok(None);
        }
        result.map_err(|what| format!("{event:?}: {what}"))?;
    }
    let result = scene.roll_call().and_then(|()| scene.compare());
    if scene.balancer.was_held_up() {
        return Ok(None);
    }
    result.map_err(|what| format!("at last: {what}"))?;
    Ok(Some(scene.played()))
}

/// A history that is being played.
pub(super) struct Scene<'a, B> {
    pub(super) balancer: &'a mut B,
    pub(super) daemon: Daemon,
    pub(super) oracle: Oracle,
    setup: Setup,
    pub(super) services: u8,
    patience: u32,
    /// How far the history has moved time on.
    gone: u32,
    events: u64,
    segments: u64,
}

impl<'a, B: Balancer> Scene<'a, B> {
    fn new(balancer: &'a mut B, history: &History) -> Result<Self, String> {
        let setup = history.setup;
        let daemon = Daemon::new(setup, balancer.ifindex());
        let (oracle, patience) = (Oracle::new(setup), balancer.patience());
        let services = setup.shape.services();
        let mut scene =
            Self { balancer, daemon, oracle, setup, services, patience, gone: 0, events: 0, segments: 0 };
        for service in 0..services {
            for name in 0..FIRST {
                scene.add(service, name, false, 100);
            }
        }
        scene.install()?;
        Ok(scene)
    }

    /// The oracle's time: the balancer's may stand still while its stamps move.
    pub(super) fn now(&self) -> Tick {
        Tick(1_000_000 + self.gone)
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
                policy.by_client |= self.setup.shape == Shape::Group;
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

    pub(super) fn key(&self, (service, client): (u8, u8)) -> SessionKey {
        let address = std::net::IpAddr::V4(wire::client(client));
        SessionKey { scope: self.daemon.scope(service), client: address.into() }
    }

    fn played(&self) -> Played {
        let mut played = Played {
            histories: 1,
            events: self.events,
            segments: self.segments,
            late: self.oracle.late(),
            ..Played::default()
        };
        self.oracle.audits.iter().for_each(|audit| played.audited(audit));
        played
    }
}
