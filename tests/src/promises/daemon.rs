//! The daemon, as far as it writes to the tables: its own plans, applied in its own order.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::{Context as _, Result};
use lb_common::state::{BackendId, Health};
use lb_user::{
    health::BackendKey,
    model::{self, Model, PersistBy, Persistence},
    neighbour::NextHop,
    plan::{self, Inputs, Sources, State, Step},
    runtime::Admin,
};

use super::{
    BACKENDS, BUCKETS, PORTS, SLOTS,
    balancer::Balancer,
    event::Order,
    setup::{Forwarding, OnDown, Policy, Setup, Shape},
    wire::{self, Server},
};

/// Slots of each service.
const TABLE: u32 = 32;

/// A service's backends: each server's weight.
pub type Backends = BTreeMap<u8, (Server, u32)>;

/// What a daemon knows.
#[derive(Debug)]
pub struct Daemon {
    setup: Setup,
    /// The file: what services promise, and their backends.
    pub policy: Policy,
    /// See `policy`.
    pub backends: Vec<Backends>,
    inputs: Inputs,
    state: State,
    ifindex: u32,
}

impl Daemon {
    /// One that has installed nothing yet.
    pub fn new(setup: Setup, ifindex: u32) -> Self {
        let sources = Sources::new([IpAddr::V4(wire::SOURCE)]).expect("a single one");
        Self {
            setup,
            policy: setup.policy,
            backends: vec![Backends::new(); setup.shape.services().into()],
            inputs: Inputs { sources, seed: [7; 16], ..Inputs::default() },
            state: State::default(),
            ifindex,
        }
    }

    /// Plans and applies, as after each change.
    ///
    /// # Errors
    /// The change is refused.
    pub fn install(&mut self, balancer: &mut impl Balancer) -> Result<()> {
        let model = self.model();
        let mut inputs = self.inputs.clone().for_model(&self.state, &model);
        let hop = |server: &(Server, u32)| {
            let hop = NextHop { ifindex: self.ifindex, source_mac: wire::OURS, target_mac: server.0.mac() };
            (server.0.address(), Some(hop))
        };
        inputs.next_hops = self.backends.iter().flat_map(BTreeMap::values).map(hop).collect();
        let plan = plan::plan(&self.state, &model, &inputs)?;
        plan.steps.iter().try_for_each(|step| balancer.apply(step))?;
        (self.state, self.inputs) = (plan.next, inputs);
        Ok(())
    }

    /// Notes a verdict of a health check, and fails over at once; the slot tables follow with the next plan.
    ///
    /// # Errors
    /// A table can't be written.
    pub fn note(&mut self, service: u8, name: u8, up: bool, balancer: &mut impl Balancer) -> Result<()> {
        let key = key(service, name);
        self.inputs.health.insert(key.clone(), if up { Health::Up } else { Health::Down });
        let health = self.inputs.health(&key);
        let installed = self.state.backends.get_mut(&key).context("is installed")?;
        balancer.apply(&Step::SetHealth { id: installed.id, health })?;
        installed.health = health;
        Ok(())
    }

    /// Notes an operator's order, for the next plan.
    pub fn order(&mut self, service: u8, name: u8, order: Order) {
        let admin = match order {
            Order::Enable => Admin::Enabled,
            Order::Drain => Admin::Draining { until: None },
            Order::Disable => Admin::Disabled,
        };
        self.inputs.admin.insert(key(service, name), admin);
    }

    /// Another daemon begins: it knows of the tables what it finds there, and plans.
    ///
    /// # Errors
    /// As [`Daemon::install`].
    pub fn restart(&mut self, balancer: &mut impl Balancer) -> Result<()> {
        match balancer.adopt()? {
            Some(state) => self.state = state,
            None => {
                self.state.backends.values_mut().for_each(|backend| backend.weight = None);
                self.state.services.values_mut().for_each(|service| service.table = None);
            }
        }
        let checked = |health| if health == Health::Down { Health::Down } else { Health::Up };
        let installed = &self.state.backends;
        self.inputs.health =
            installed.iter().map(|(key, backend)| (key.clone(), checked(backend.health))).collect();
        // What is there already is written once more.
        for backend in installed.values() {
            balancer.apply(&Step::SetHealth { id: backend.id, health: backend.health })?;
        }
        self.install(balancer)
    }

    /// Whom a session is of that names this id, of this generation: a backend's service, or none for a home, and its
    /// name. `None` if it is not installed any more.
    pub fn owner(&self, id: BackendId, generation: u32) -> Option<(Option<u8>, u8)> {
        let found = self
            .state
            .backends
            .iter()
            .find(|(_, known)| known.id == id && known.recipe.generation == generation);
        let key = found?.0;
        Some((number(&key.service), number(&key.backend).expect("backends are numbered")))
    }

    /// The number by which a service's figures are found.
    pub fn number(&self, service: u8) -> u32 {
        let port = wire::virtual_port(service);
        let is_its = |key: &&lb_common::state::ServiceKey| key.is_service() && key.port().get() == port;
        let key = self.state.services.keys().find(is_its).expect("is installed");
        self.state.services[key].entry.number
    }

    /// The scope of a service's sessions.
    pub fn scope(&self, service: u8) -> u64 {
        match self.setup.shape {
            Shape::Group => plan::scope("@group"),
            Shape::One | Shape::Two => plan::scope(&name('s', service)),
        }
    }

    fn model(&self) -> Model {
        let services = (0..).zip(&self.backends).map(|(number, backends)| self.service(number, backends));
        Model {
            interface: model::Interface {
                names: vec!["eth0".to_owned()],
                mode: model::AttachMode::Auto,
                claim: true,
            },
            nat: model::Nat { source: Vec::new(), ports: PORTS },
            tunnel: model::Tunnel { source: Vec::new(), gue_port: 6080, mtu: 1500 },
            http: None,
            secret: None,
            snapshot_interval: None,
            limits: limits(self.setup.shape),
            services: services.collect(),
        }
    }

    fn service(&self, number: u8, backends: &Backends) -> model::Service {
        let is_direct = self.setup.forwarding == Forwarding::Dsr;
        model::Service {
            name: name('s', number),
            address: wire::SERVICE.into(),
            ports: model::Ports::One(wire::virtual_port(number)),
            protocol: model::Protocol::Tcp,
            forwarding: match self.setup.forwarding {
                Forwarding::Nat => model::Forwarding::Nat { preserve_client: false },
                Forwarding::Preserve => model::Forwarding::Nat { preserve_client: true },
                Forwarding::Dsr => model::Forwarding::Dsr,
            },
            http: None,
            persistence: self.persistence(),
            access: None,
            health: model::Health {
                check: model::Check::Tcp,
                port: None,
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                rise: 1,
                fall: 1,
            },
            slots: TABLE,
            scheduler: model::Scheduler::Hash,
            max_load: None,
            slow_start: None,
            backends: backends
                .values()
                .map(|(server, weight)| model::Backend {
                    name: name('b', server.name),
                    server_id: Vec::new(),
                    address: server.address(),
                    port: (!is_direct).then_some(8080 + u16::from(number)),
                    weight: *weight,
                })
                .collect(),
        }
    }

    fn persistence(&self) -> Persistence {
        let policy = self.policy;
        let by = PersistBy::ClientIp { prefix_v4: 32, prefix_v6: 64 };
        Persistence {
            idle_timeout: ticks(policy.idle),
            max_lifetime: policy.lifetime.map(ticks),
            group: (self.setup.shape == Shape::Group).then(|| "group".to_owned()),
            on_down: match policy.on_down {
                OnDown::Repin => model::OnDown::Repin,
                OnDown::Lend => model::OnDown::Lend,
                OnDown::Refuse => model::OnDown::Refuse,
                OnDown::Hold(time) => model::OnDown::Hold(ticks(time)),
            },
            on_drain: if policy.moves_on_drain { model::OnDrain::Move } else { model::OnDrain::Keep },
            ..Persistence::new(if policy.by_client { by } else { PersistBy::Connection })
        }
    }
}

/// Tables in which an id is soon used again: all backends at once, and one of each kind that is replaced.
fn limits(shape: Shape) -> model::Limits {
    let backends = match shape {
        Shape::One => 5,
        Shape::Two => 10,
        Shape::Group => 15,
    };
    model::Limits { backends, ..self::LIMITS }
}

/// Sizes of the tables themselves.
pub const LIMITS: model::Limits = model::Limits {
    flows: BUCKETS * 2,
    affinity: 1024,
    pins: 1024,
    services: 8,
    access: 1,
    backends: BACKENDS,
    slots: SLOTS,
    nat_connections: PORTS.1 as u32 - PORTS.0 as u32 + 1,
    fragments: 2,
    new_flows_per_second: 1 << 20,
    new_pins_per_second: 1 << 20,
};

fn key(service: u8, backend: u8) -> BackendKey {
    BackendKey { service: name('s', service), backend: name('b', backend) }
}

fn name(letter: char, number: u8) -> String {
    format!("{letter}{number}")
}

/// The number in a name; `None` for a group's.
fn number(name: &str) -> Option<u8> {
    name.strip_prefix(['s', 'b'])?.parse().ok()
}

/// So much that it covers this many ticks exactly.
fn ticks(ticks: u32) -> Duration {
    Duration::from_nanos(u64::from(ticks) << lb_common::time::Tick::SHIFT)
}
