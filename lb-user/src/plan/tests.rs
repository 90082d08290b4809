//! Plans applied to the host engine's tables, step by step.

mod access;
mod impact;

use std::{collections::HashMap, net::IpAddr, time::Duration};

use lb_common::{
    host::HostTables,
    net::Ip,
    quic::scheme::{self, Key, Scheme},
    settings::Settings,
    state::{BackendId, CidConfig, Health, ServerKey, quic},
    tables::Tables as _,
};
use proptest::prelude::*;

use super::{BackendState, Inputs, ServiceState, Sources, State, Step, apply, plan};
use crate::{
    health::BackendKey,
    model::{
        AttachMode, Backend, Check, Forwarding, Interface, Limits, Model, Nat, PersistBy, Persistence, Ports,
        Protocol, Service, Tunnel,
    },
    neighbour::NextHop,
};

const LIMITS: Limits = Limits {
    flows: 64,
    affinity: 64,
    pins: 64,
    services: 8,
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
        persistence: Persistence {
            by: PersistBy::ClientIp { prefix_v4: 32, prefix_v6: 64 },
            idle_timeout: Duration::from_secs(60),
            max_lifetime: None,
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
fn a_name_that_comes_back_does_not_inherit() {
    let mut tables = tables();
    let with = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    let without = model(vec![service("web", 80, &[(1, 1)])]);
    let (first, ..) = carry_out(&mut tables, &State::default(), &with, &inputs());
    let before = &first.backends[&key("web", 2)];
    let (second, ..) = carry_out(&mut tables, &first, &without, &inputs());
    assert_eq!(tables.health(before.id), Health::Absent);
    let (third, ..) = carry_out(&mut tables, &second, &with, &inputs());
    let after = &third.backends[&key("web", 2)];
    assert!(after.id != before.id || after.recipe.generation != before.recipe.generation);
    assert_eq!(third.backends[&key("web", 1)], first.backends[&key("web", 1)]);
}

#[test]
fn a_reused_id_gets_a_new_generation() {
    let mut tables = tables();
    let mut state = State::default();
    let mut seen = std::collections::HashSet::new();
    // More servers, one after the other, than there are ids.
    for n in 1..=90u8 {
        let model = model(vec![service("web", 80, &[(n, 1)])]);
        (state, ..) = carry_out(&mut tables, &state, &model, &inputs());
        let backend = &state.backends[&key("web", n)];
        assert!(seen.insert((backend.id, backend.recipe.generation)), "{n}: {backend:?}");
    }
}

#[test]
fn a_weight_or_health_change_keeps_ids_and_recipes() {
    let mut tables = tables();
    let (state, ..) = carry_out(
        &mut tables,
        &State::default(),
        &model(vec![service("web", 80, &[(1, 1), (2, 1)])]),
        &inputs(),
    );
    let heavier = model(vec![service("web", 80, &[(1, 3), (2, 1)])]);
    let (next, changes, _) = carry_out(&mut tables, &state, &heavier, &inputs());
    assert_eq!(changes, ["service web: weight of backend b1 from 1 to 3"]);
    let mut inputs = inputs();
    inputs.health.insert(key("web", 2), Health::Down);
    let (down, changes, _) = carry_out(&mut tables, &next, &heavier, &inputs);
    assert!(changes.is_empty());
    for n in [1, 2] {
        assert_eq!(state.backends[&key("web", n)].recipe, down.backends[&key("web", n)].recipe);
    }
    let id = state.backends[&key("web", 2)].id;
    assert!(down.slots(&heavier.services[0]).unwrap().iter().all(|&slot| slot != id.0));
}

#[test]
fn with_nobody_up_all_keep_their_slots() {
    let mut tables = tables();
    let model = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    let mut inputs = inputs();
    inputs.health.extend([(key("web", 1), Health::Down), (key("web", 2), Health::Down)]);
    let (state, ..) = carry_out(&mut tables, &State::default(), &model, &inputs);
    let slots = state.slots(&model.services[0]).unwrap();
    assert!(state.backends.values().all(|backend| slots.contains(&backend.id.0)));
}

#[test]
fn a_next_hop_that_is_not_known_yet_stays_as_it_was() {
    let mut tables = tables();
    let model = model(vec![service("web", 80, &[(1, 1)])]);
    let hop = NextHop { ifindex: 4, source_mac: [2; 6], target_mac: [4; 6] };
    let address = model.services[0].backends[0].address;
    let mut known = inputs();
    known.next_hops.insert(address, Some(hop));
    let (state, ..) = carry_out(&mut tables, &State::default(), &model, &known);
    let (state, _, steps) = carry_out(&mut tables, &state, &model, &inputs());
    assert_eq!(steps, 0);
    known.next_hops = HashMap::from([(address, None)]);
    let (state, ..) = carry_out(&mut tables, &state, &model, &known);
    assert!(state.backends[&key("web", 1)].recipe.target_mac.is_zero());
}

#[test]
fn sources_may_be_appended_only() {
    let sources = |text: &[&str]| Sources::new(text.iter().map(|t| t.parse().unwrap())).unwrap();
    let two = sources(&["192.0.2.1", "192.0.2.2"]);
    let one = sources(&["192.0.2.1"]);
    assert_eq!(one.merged(&two).unwrap(), two);
    assert_eq!(two.merged(&one).unwrap(), two, "connections may still use the second");
    let error = two.merged(&sources(&["192.0.2.2", "192.0.2.1"])).unwrap_err().to_string();
    assert!(error.contains("[nat] source"), "{error}");
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

#[test]
fn a_refused_configuration_leaves_what_is_known() {
    let mut tables = tables();
    let mut running = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    running.services[0].health.check = Check::Tcp;
    let mut known = inputs();
    let (state, ..) = carry_out(&mut tables, &State::default(), &running, &known);
    known.health.insert(key("web", 2), Health::Down);
    let (state, ..) = carry_out(&mut tables, &state, &running, &known);
    let many: Vec<_> = (3..=44).map(|n| (n, 1)).collect();
    let refused = model(vec![service("web", 80, &many)]);
    let asked = known.clone().for_model(&state, &refused);
    assert!(asked.health.is_empty());
    plan(&state, &refused, &asked).unwrap_err();
    let still = known.clone().for_model(&state, &running);
    assert_eq!(still.health(&key("web", 2)), Health::Down);
    assert!(plan(&state, &running, &still).unwrap().steps.is_empty());
}

#[test]
fn verdicts_are_about_a_server_that_is_still_checked_there() {
    let mut tables = tables();
    let checked = |backends: &[(u8, u32)]| {
        let mut service = service("web", 80, backends);
        service.health.check = Check::Tcp;
        service
    };
    let before = model(vec![checked(&[(1, 1), (2, 1)])]);
    let mut known = inputs();
    let (state, ..) = carry_out(&mut tables, &State::default(), &before, &known);
    known.health.extend([(key("web", 1), Health::Down), (key("web", 2), Health::Down)]);
    for backend in &before.services[0].backends {
        known.next_hops.insert(backend.address, None);
    }

    let mut moved = before.clone();
    moved.services[0].backends[1].address = IpAddr::from([10, 0, 0, 9]);
    let next = known.clone().for_model(&state, &moved);
    assert_eq!(next.health(&key("web", 1)), Health::Down);
    assert_eq!(next.health(&key("web", 2)), Health::Up, "another server, of which nothing is known");
    assert_eq!(next.next_hops.len(), 1, "the way to the old address is forgotten");

    let unchecked = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    let next = known.for_model(&state, &unchecked);
    assert_eq!(next.health(&key("web", 1)), Health::Up);
}

/// The daemon ends between the steps of replacing a backend, wherever that is; the next one adopts
/// what the tables hold.
#[test]
fn a_crash_while_a_backend_is_replaced_leaves_nothing_behind() {
    let before = model(vec![service("web", 80, &[(1, 1), (2, 1)])]);
    let mut after = before.clone();
    after.services[0].backends[1].address = IpAddr::from([10, 0, 0, 9]);
    let steps = {
        let (state, ..) = carry_out(&mut tables(), &State::default(), &before, &inputs());
        plan(&state, &after, &inputs()).unwrap().steps
    };
    for (taken, wanted) in (0..=steps.len()).flat_map(|taken| [(taken, &before), (taken, &after)]) {
        let mut tables = tables();
        let (state, ..) = carry_out(&mut tables, &State::default(), &before, &inputs());
        steps[..taken].iter().for_each(|step| apply(step, &mut tables).unwrap());
        let mut adopted = State::default();
        adopted.sources = state.sources.clone();
        for (id, recipe) in (0..).map(BackendId).zip(&tables.backends) {
            let health = tables.health(id);
            if health != Health::Absent {
                let n = if recipe.address == Ip::from(IpAddr::from([10, 0, 0, 1])) { 1 } else { 2 };
                let backend = BackendState { id, recipe: *recipe, health, weight: None };
                adopted.adopt_backend(key("web", n), backend);
            }
        }
        for (key, entry) in &tables.services {
            adopted.services.insert(*key, ServiceState { entry: *entry, table: None });
        }
        let (next, ..) = carry_out(&mut tables, &adopted, wanted, &inputs());
        let live = tables.health.iter().filter(|word| **word != Health::Absent as u32).count();
        assert_eq!((live, next.backends.len()), (2, 2), "after {taken} steps");
    }
}

#[test]
fn a_table_is_made_again_only_for_other_members() {
    let mut tables = tables();
    let model = model(vec![service("a", 80, &[(1, 1), (2, 1)]), service("b", 81, &[(1, 1), (2, 1)])]);
    let (first, ..) = carry_out(&mut tables, &State::default(), &model, &inputs());
    let mut inputs = inputs();
    inputs.health.insert(key("a", 2), Health::Down);
    let (second, ..) = carry_out(&mut tables, &first, &model, &inputs);
    let same = |at: usize| {
        let slots = |state: &State| state.slots(&model.services[at]).unwrap().as_ptr();
        slots(&first) == slots(&second)
    };
    assert_eq!((same(0), same(1)), (false, true));
}

/// Tables of very different sizes in a `SLOTS` of exactly twice their sum, whose services change one
/// by one and together, also after a restart.
#[test]
fn twice_the_sum_of_the_slots_is_enough() {
    let sizes = [32, 1024, 16, 64];
    let mut tables = tables();
    let limit = 2 * sizes.iter().sum::<u32>();
    tables.slots = vec![0; limit as usize];
    let configuration = |weights: &[u32]| {
        let services = sizes.iter().zip(weights).zip(0..).map(|((&slots, &weight), n)| Service {
            slots,
            ..service(&format!("s{n}"), 80 + n, &[(1, weight), (2, 1)])
        });
        let mut model = model(services.collect());
        model.limits.slots = limit;
        model
    };
    let mut weights = [1; 4];
    let (mut state, ..) = carry_out(&mut tables, &State::default(), &configuration(&weights), &inputs());
    // Every set of services that may change at once, each followed by every other.
    for (first, second) in (1..16).flat_map(|a| (1..16).map(move |b| (a, b))) {
        for set in [first, second] {
            for (n, weight) in weights.iter_mut().enumerate().filter(|(n, _)| set >> n & 1 == 1) {
                *weight = *weight % 3 + 1 + n as u32 % 2;
            }
            (state, ..) = carry_out(&mut tables, &state, &configuration(&weights), &inputs());
        }
    }
}

#[test]
fn a_service_may_take_anothers_place_in_full_slots() {
    let mut tables = tables();
    tables.slots = vec![0; 512];
    let mut state = State::default();
    for port in [80, 81, 82] {
        let mut model = model(vec![service("web", port, &[(1, 1)])]);
        model.limits.slots = 512;
        (state, ..) = carry_out(&mut tables, &state, &model, &inputs());
    }
}

/// Up to four ports, in any order, or all.
fn ports() -> impl Strategy<Value = Ports> {
    let list = prop::sample::subsequence(vec![80, 81, 82, 83], 1..=4).prop_shuffle();
    prop_oneof![9 => list.prop_map(Ports::from), 1 => Just(Ports::Any)]
}

fn with_ports(ports: &[u16]) -> Model {
    model(vec![Service { ports: Ports::from(ports.to_vec()), ..service("web", 0, &[(1, 1), (2, 1)]) }])
}

#[test]
fn several_ports_share_one_slot_table() {
    let mut tables = tables();
    let model = with_ports(&[80, 443, 8443]);
    let plan = plan(&State::default(), &model, &inputs()).unwrap();
    let written =
        plan.steps.iter().filter(|step| matches!(step, Step::PutService { table: Some(_), .. })).count();
    assert_eq!(written, 1);
    let (state, changes, _) = carry_out(&mut tables, &State::default(), &model, &inputs());
    assert_eq!(changes[2], "add service web at 192.0.2.1:80,443,8443/tcp");
    let entries: Vec<_> =
        tables.services.iter().filter(|(key, _)| key.is_service()).map(|(_, entry)| entry).collect();
    assert_eq!(entries.len(), 3);
    assert!(
        entries
            .iter()
            .all(|entry| (entry.slots_base, entry.scope) == (entries[0].slots_base, entries[0].scope))
    );
    let (again, changes, steps) = carry_out(&mut tables, &state, &model, &inputs());
    assert_eq!((changes.len(), steps, again), (0, 0, state));
}

/// Ports come and go, also the first and the only one: the backends stay what they are, and so do their
/// connections.
#[test]
fn ports_that_change_leave_backends_alone() {
    let mut tables = tables();
    let one = |port| {
        let mut model = with_ports(&[port]);
        // What the configuration makes of a backend without a port.
        model.services[0].backends.iter_mut().for_each(|backend| backend.port = Some(port));
        model
    };
    let kept = |ports: &[u16]| {
        let mut model = with_ports(ports);
        model.services[0].backends.iter_mut().for_each(|backend| backend.port = None);
        model
    };
    let (mut state, ..) = carry_out(&mut tables, &State::default(), &one(80), &inputs());
    let backends = |state: &State| state.backends.values().map(|it| (it.id, it.recipe)).collect::<Vec<_>>();
    let before = backends(&state);
    for (model, expected) in [
        (kept(&[80, 443]), &["service web: add port 443"][..]),
        (kept(&[443, 80]), &[]),
        (kept(&[443, 8443]), &["service web: add port 8443", "service web: remove port 80"]),
        (
            kept(&[0]),
            &["service web: add port any", "service web: remove port 443", "service web: remove port 8443"],
        ),
        (one(443), &["service web: add port 443", "service web: remove port any"]),
    ] {
        let (next, changes, _) = carry_out(&mut tables, &state, &model, &inputs());
        assert_eq!(changes, expected);
        assert_eq!(backends(&next), before);
        state = next;
    }
    let (_, changes, _) = carry_out(&mut tables, &state, &with_ports(&[443]), &inputs());
    assert_eq!(changes.len(), 2, "another port of the servers: {changes:?}");
}

#[test]
fn a_port_may_go_to_another_service() {
    let mut tables = tables();
    let two = |web: &[u16], shop: &[u16]| {
        let service = |name: &str, ports: &[u16]| Service {
            ports: Ports::from(ports.to_vec()),
            ..service(name, 0, &[(1, 1), (2, 1)])
        };
        model(vec![service("web", web), service("shop", shop)])
    };
    let (state, ..) = carry_out(&mut tables, &State::default(), &two(&[80, 443], &[81]), &inputs());
    let (_, changes, _) = carry_out(&mut tables, &state, &two(&[80], &[81, 443]), &inputs());
    assert_eq!(changes, ["service shop: add port 443"]);
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
                .filter(|(_, word)| **word != Health::Absent as u32).map(|(id, _)| BackendId(id as u32)).collect();
            let wanted: std::collections::BTreeSet<_> = state.backends.values().map(|backend| backend.id).collect();
            prop_assert_eq!(installed, wanted);
            let ports: usize = model.services.iter().map(|service| service.ports.numbers().len()).sum();
            prop_assert_eq!(tables.services.keys().filter(|key| key.is_service()).count(), ports);
        }
    }
}

/// A UDP service with these schemes, whose backends' numbers are their server ids.
fn asking(name: &str, port: u16, schemes: &[Scheme], backends: &[(u8, u32)]) -> Service {
    let mut service = service(name, port, backends);
    service.protocol = Protocol::Udp;
    service.persistence.by = PersistBy::QuicCid(schemes.to_vec());
    for (backend, (number, _)) in service.backends.iter_mut().zip(backends) {
        backend.server_id = vec![*number];
    }
    service
}

#[test]
fn connection_ids_follow_the_file() {
    let old = Scheme::new(0, 1, 6, None).unwrap();
    let new = Scheme::new(1, 1, 6, Some(Key([7; 16]))).unwrap();
    let other = Scheme::new(1, 1, 6, Some(Key([8; 16]))).unwrap();
    let mut tables = tables();
    let rounds: &[(Vec<Service>, &[&str])] = &[
        (vec![asking("h3", 443, &[old], &[(1, 1), (2, 1)])], &[]),
        // Another key beside the old one, and another service.
        (
            vec![asking("dns", 53, &[new], &[(1, 1)]), asking("h3", 443, &[old, new], &[(1, 1), (2, 1)])],
            &["service h3: connection ids"],
        ),
        (vec![asking("h3", 443, &[new], &[(2, 1), (3, 1)])], &["service h3: connection ids"]),
        // Two ports of one service become two services, with a number each.
        (
            vec![Service {
                ports: Ports::from(vec![443, 8443]),
                ..asking("h3", 443, &[new], &[(2, 1), (3, 1)])
            }],
            &[],
        ),
        (
            vec![asking("h3", 443, &[new], &[(2, 1), (3, 1)]), asking("alt", 8443, &[other], &[(2, 1)])],
            &["service alt: connection ids"],
        ),
        (vec![service("h3", 443, &[(1, 1)])], &[]),
    ];
    let mut state = State::default();
    for (services, told) in rounds {
        let model = model(services.clone());
        let (next, changes, _) = carry_out(&mut tables, &state, &model, &inputs());
        let changes: Vec<_> = changes.iter().filter(|change| change.ends_with("connection ids")).collect();
        assert_eq!(changes, *told);
        assert_connection_ids(&tables, &next, services);
        assert_eq!(carry_out(&mut tables, &next, &model, &inputs()).2, 0);
        state = next;
    }
}

/// Both tables hold what the services say and nothing else.
fn assert_connection_ids(tables: &HostTables, state: &State, services: &[Service]) {
    let (mut configs, mut servers) = (0, 0);
    for service in services {
        let entry = tables.services[&super::recipe::service_keys(service).next().unwrap()];
        let PersistBy::QuicCid(schemes) = &service.persistence.by else {
            assert_eq!(entry.quic, 0);
            continue;
        };
        // Fragments have no connection ids: without a first one nothing says where they go.
        let only = lb_common::state::ServiceKey::only(service.address.into(), lb_common::net::protocol::UDP);
        assert!(!tables.services.contains_key(&only));
        for scheme in schemes {
            let index = entry.quic * quic::ROTATIONS + u32::from(scheme.rotation());
            assert_eq!(tables.quic[index as usize], scheme.entry());
            configs += 1;
        }
        for backend in &service.backends {
            let known =
                &state.backends[&BackendKey { service: service.name.clone(), backend: backend.name.clone() }];
            let key = ServerKey { scope: entry.scope, id: scheme::block(&backend.server_id) };
            let home = tables.servers[&key];
            assert_eq!((home.backend, home.generation), (known.id, known.recipe.generation));
            assert!(known.recipe.by_connection_id());
            servers += 1;
        }
    }
    let installed = tables.quic.iter().filter(|config| **config != CidConfig::default()).count();
    assert_eq!((installed, tables.servers.len()), (configs, servers));
}

#[test]
fn outer_headers_come_before_their_backends_and_stay_until_after_them() {
    let tunnel = |mtu| Tunnel { source: Vec::new(), gue_port: 6080, mtu };
    let wanted = |mtu| {
        let outer = super::tunnel(&tunnel(mtu), "10.0.0.2/32".parse().unwrap());
        Inputs { tunnels: [outer, lb_common::state::Tunnel::default()], ..inputs() }
    };
    let services = vec![Service { forwarding: Forwarding::Ipip, ..service("web", 80, &[(1, 1)]) }];
    let (with, without) = (model(services), model(Vec::new()));
    let mut tables = tables();
    let first = plan(&State::default(), &with, &wanted(1500)).unwrap();
    let at = |found: fn(&Step) -> bool| first.steps.iter().position(found).unwrap();
    assert!(
        at(|step| matches!(step, Step::SetTunnels(_))) < at(|step| matches!(step, Step::AddBackend { .. }))
    );
    let (state, _, _) = carry_out(&mut tables, &State::default(), &with, &wanted(1500));
    let (state, changes, steps) = carry_out(&mut tables, &state, &with, &wanted(1400));
    assert_eq!(
        (changes, steps, tables.tunnels[0].mtu),
        (vec!["outer IPv4 headers of tunnels".into()], 1, 1400)
    );
    let (state, _, _) = carry_out(&mut tables, &state, &without, &inputs());
    assert_eq!((tables.tunnels[0].mtu, state.tunnels[0].mtu), (1400, 1400));
}
