//! How connection ids are read, and whose they are.

use lb_common::{
    host::HostTables,
    quic::scheme::{self, Key, Scheme},
    state::{CidConfig, ServerKey, quic},
};

use super::{carry_out, inputs, model, service, tables};
use crate::{
    health::BackendKey,
    model::{PersistBy, Ports, Protocol, Service},
    plan::{State, recipe},
};

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
        let entry = tables.services[&recipe::service_keys(service).next().unwrap()];
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
            let known = &state.backends[&BackendKey::new(&service.name, &backend.name)];
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
