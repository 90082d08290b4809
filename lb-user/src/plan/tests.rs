//! Plans applied to the host engine's tables, step by step.

mod access;
mod backends;
mod connection_ids;
mod impact;
mod known;
mod ports;
mod slots;
mod sources;

use std::{net::IpAddr, time::Duration};

use lb_common::{
    host::HostTables,
    settings::Settings,
    state::{BackendId, CidConfig, Health, quic},
    tables::Tables as _,
};
use proptest::prelude::*;

use super::{Inputs, Sources, State, Step, apply, plan};
use crate::{
    health::BackendKey,
    model::{
        AttachMode, Backend, Check, Forwarding, Interface, Limits, Model, Nat, PersistBy, Persistence, Ports,
        Protocol, Scheduler, Service, Tunnel,
    },
};

const LIMITS: Limits = Limits {
    flows: 64,
    affinity: 64,
    pins: 64,
    services: 32,
    access: 64,
    backends: 40,
    slots: 8 * 256 * 2,
    nat_connections: 1,
    fragments: 1024,
    new_flows_per_second: 1,
    new_pins_per_second: 1,
};

fn service(name: &str, port: u16, backends: &[(u8, u32)]) -> Service {
    Service {
        name: name.to_owned(),
        address: "192.0.2.1".parse().unwrap(),
        ports: Ports::One(port),
        protocol: Protocol::Tcp,
        forwarding: Forwarding::Nat { preserve_client: false },
        http: None,
        persistence: Persistence {
            idle_timeout: Duration::from_secs(60),
            ..Persistence::new(PersistBy::ClientIp { prefix_v4: 32, prefix_v6: 64 })
        },
        access: None,
        health: crate::model::Health {
            check: Check::None,
            port: None,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise: 1,
            fall: 1,
        },
        slots: 256,
        scheduler: Scheduler::Hash,
        max_load: None,
        slow_start: None,
        backends: backends
            .iter()
            .map(|&(n, weight)| Backend {
                name: format!("b{n}"),
                server_id: Vec::new(),
                address: IpAddr::from([10, 0, 0, n]),
                port: Some(8080),
                weight,
            })
            .collect(),
    }
}

fn model(services: Vec<Service>) -> Model {
    Model {
        interface: Interface { names: vec!["eth0".to_owned()], mode: AttachMode::Auto, claim: true },
        nat: Nat { source: Vec::new(), ports: (1024, 2047) },
        tunnel: Tunnel { source: Vec::new(), gue_port: 6080, mtu: 1500 },
        http: None,
        secret: None,
        snapshot_interval: None,
        limits: LIMITS,
        services,
    }
}

fn inputs() -> Inputs {
    let sources = Sources::new(["192.0.2.100".parse().unwrap()]).unwrap();
    Inputs { sources, seed: [7; 16], ..Inputs::default() }
}

fn tables() -> HostTables {
    let mut tables = HostTables::new(Settings::new([1; 12], 16, 1, (1024, 2047), 1));
    tables.backends = vec![lb_common::state::Backend::default(); LIMITS.backends as usize + 1];
    tables.health = vec![0; LIMITS.backends as usize + 1];
    tables.slots = vec![0; LIMITS.slots as usize];
    tables.quic = vec![CidConfig::default(); quic::ENTRIES as usize];
    tables
}

/// No slot of a service may lead to an absent backend, or to another service's.
fn assert_sound(tables: &HostTables, step: &Step) {
    for (key, entry) in tables.services.iter().filter(|(key, _)| key.is_service()) {
        for at in 0..=entry.slots_mask {
            let id = tables.slot(entry.slots_base + at).unwrap();
            assert_ne!(tables.health(id), Health::Absent, "slot {at} -> {id:?} after {step:?}");
            let recipe = tables.backends[id.0 as usize];
            assert!(recipe.serves(entry, key), "{key:?} -> {recipe:?} after {step:?}");
        }
    }
}

fn carry_out(
    tables: &mut HostTables,
    state: &State,
    model: &Model,
    inputs: &Inputs,
) -> (State, Vec<String>, usize) {
    let plan = plan(state, model, inputs).unwrap();
    for step in &plan.steps {
        apply(step, tables).unwrap();
        assert_sound(tables, step);
    }
    (plan.next, plan.changes, plan.steps.len())
}

fn key(service: &str, n: u8) -> BackendKey {
    BackendKey { service: service.to_owned(), backend: format!("b{n}") }
}

#[test]
fn nothing_to_do_is_no_step() {
    let mut tables = tables();
    let model = model(vec![service("web", 80, &[(1, 100), (2, 50)])]);
    let (state, changes, _) = carry_out(&mut tables, &State::default(), &model, &inputs());
    assert_eq!(changes.len(), 3, "{changes:?}");
    let (again, changes, steps) = carry_out(&mut tables, &state, &model, &inputs());
    assert_eq!((changes.len(), steps), (0, 0));
    assert_eq!(again, state);
}

#[test]
fn full_tables_are_refused_in_words() {
    let many: Vec<_> = (1..=41).map(|n| (n, 1)).collect();
    let error = plan(&State::default(), &model(vec![service("web", 80, &many)]), &inputs()).unwrap_err();
    assert!(error.to_string().contains("`backends` in [limits]"), "{error}");
    let many = (0..17).map(|n| service(&format!("s{n}"), 80 + n, &[(1, 1)])).collect();
    let error = plan(&State::default(), &model(many), &inputs()).unwrap_err();
    assert!(error.to_string().contains("`slots` in [limits]"), "{error}");
}

/// Up to four ports, in any order, or all.
fn ports() -> impl Strategy<Value = Ports> {
    let list = prop::sample::subsequence(vec![80, 81, 82, 83], 1..=4).prop_shuffle();
    prop_oneof![9 => list.prop_map(Ports::from), 1 => Just(Ports::Any)]
}

proptest! {
    /// From any configuration to any other, with any health: each step leaves a sound state, and
    /// the end is what was asked for.
    #[test]
    fn every_step_is_sound(history in prop::collection::vec(
        prop::collection::btree_map(
            0u16..4,
            (prop::collection::btree_map(1u8..6, (1u32..5, any::<bool>()), 1..5), ports()),
            0..4,
        ),
        1..6,
    )) {
        let mut tables = tables();
        let mut state = State::default();
        for configuration in history {
            let mut inputs = inputs();
            let services = configuration.iter().map(|(&n, (backends, ports))| {
                let name = format!("s{n}");
                for (&b, &(_, up)) in backends {
                    inputs.health.insert(key(&name, b), if up { Health::Up } else { Health::Down });
                }
                let list: Vec<_> = backends.iter().map(|(&b, &(weight, _))| (b, weight)).collect();
                // Every service has ports of its own, and the first may have all others.
                let ports = match ports {
                    Ports::Any if n != 0 => Ports::One(80 + 10 * n),
                    ports => Ports::from(ports.numbers().iter().map(|port| port + 10 * n).collect::<Vec<_>>()),
                };
                Service { ports, ..service(&name, 0, &list) }
            }).collect();
            let model = model(services);
            (state, ..) = carry_out(&mut tables, &state, &model, &inputs);
            let installed: std::collections::BTreeSet<_> = tables.health.iter().enumerate()
                .filter(|(_, word)| Health::from_word(**word) != Health::Absent).map(|(id, _)| BackendId(id as u32)).collect();
            let wanted: std::collections::BTreeSet<_> = state.backends.values().map(|backend| backend.id).collect();
            prop_assert_eq!(installed, wanted);
            let ports: usize = model.services.iter().map(|service| service.ports.numbers().len()).sum();
            prop_assert_eq!(tables.services.keys().filter(|key| key.is_service()).count(), ports);
        }
    }
}
