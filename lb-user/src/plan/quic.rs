//! `QUIC` and `SERVER_IDS`: how connection ids are read, and whose they are.
//!
//! These are not swapped in as one. A packet in between finds no server by its id, or an id of another
//! service, which decides nothing; either way it goes along its flow.

use std::collections::{BTreeMap, BTreeSet};

use lb_common::{
    quic::scheme,
    state::{
        CidConfig, ServerHome, ServerKey, ServiceKey,
        quic::{ROTATIONS, SERVICES},
    },
};

use super::{Plan, State, Step, recipe};
use crate::{
    health::BackendKey,
    model::{self, Model, PersistBy},
};

/// What is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quic {
    /// `QUIC`, without what is all zero.
    pub configs: BTreeMap<u32, CidConfig>,
    /// `SERVER_IDS`.
    pub servers: BTreeMap<ServerKey, ServerHome>,
}

impl Quic {
    /// What concerns one service.
    fn of(&self, number: u32, scope: u64) -> (Vec<&CidConfig>, Vec<(&ServerKey, &ServerHome)>) {
        let configs = self.configs.iter().filter(|(index, _)| **index / ROTATIONS == number);
        let servers = self.servers.iter().filter(|(key, _)| key.scope == scope);
        (configs.map(|(_, config)| config).collect(), servers.collect())
    }
}

/// Numbers of the services that ask for connection ids, by their first keys.
#[derive(Debug, Default)]
pub(super) struct Numbers(BTreeMap<ServiceKey, u32>);

impl Numbers {
    /// Services keep the numbers that they have.
    fn give(current: &State, asking: &[(ServiceKey, u64)]) -> Self {
        // All ports of a service have its number: one that another service has now is not that one's.
        let known = |key: &ServiceKey, scope: u64| {
            let entry = current.services.get(key)?.entry;
            (entry.scope == scope).then_some(entry.quic)
        };
        let mut numbers: BTreeMap<_, _> = asking
            .iter()
            .filter_map(|(key, scope)| Some((*key, known(key, *scope).filter(|number| *number != 0)?)))
            .collect();
        let used: BTreeSet<_> = numbers.values().copied().collect();
        let mut free = (1..=SERVICES).filter(|number| !used.contains(number));
        for (key, _) in asking {
            // There are enough: the model has no more such services than numbers.
            numbers.entry(*key).or_insert_with(|| free.next().unwrap_or_default());
        }
        Self(numbers)
    }

    /// The number of a service; 0: it does not ask.
    pub(super) fn of_service(&self, service: &model::Service) -> u32 {
        let first = recipe::service_keys(service).next();
        first.and_then(|key| self.0.get(&key)).copied().unwrap_or_default()
    }
}

impl Plan {
    /// Brings both tables to what the model says; backends have their places in `next` by now.
    pub(super) fn quic(&mut self, current: &State, model: &Model) -> Numbers {
        let asking: Vec<_> = model
            .services
            .iter()
            .filter(|service| matches!(service.persistence.by, PersistBy::QuicCid(_)))
            .filter_map(|service| Some((recipe::service_keys(service).next()?, recipe::scope(&service.name))))
            .collect();
        let numbers = Numbers::give(current, &asking);
        let mut wanted = Quic::default();
        for service in &model.services {
            let PersistBy::QuicCid(schemes) = &service.persistence.by else { continue };
            let number = numbers.of_service(service);
            for scheme in schemes {
                let index = number * ROTATIONS + u32::from(scheme.rotation());
                wanted.configs.insert(index, scheme.entry());
            }
            for backend in &service.backends {
                let key = BackendKey::new(&service.name, &backend.name);
                let known = &self.next.backends[&key];
                let id = scheme::block(&backend.server_id);
                let home = ServerHome { backend: known.id, generation: known.recipe.generation };
                wanted.servers.insert(ServerKey { scope: recipe::scope(&service.name), id }, home);
            }
        }
        for service in &model.services {
            let (number, scope) = (numbers.of_service(service), recipe::scope(&service.name));
            let is_known = recipe::service_keys(service).any(|key| current.services.contains_key(&key));
            if is_known && current.quic.of(number, scope) != wanted.of(number, scope) {
                self.changes.push(format!("service {}: connection ids", service.name));
            }
        }
        self.change(&current.quic, &wanted);
        self.next.quic = wanted;
        numbers
    }

    fn change(&mut self, current: &Quic, wanted: &Quic) {
        for (&index, config) in &wanted.configs {
            if current.configs.get(&index) != Some(config) {
                self.steps.push(Step::SetCidConfig { index, config: Box::new(*config) });
            }
        }
        for (&key, &home) in &wanted.servers {
            if current.servers.get(&key) != Some(&home) {
                self.steps.push(Step::SetServer { key, home });
            }
        }
        for &key in current.servers.keys().filter(|key| !wanted.servers.contains_key(key)) {
            self.steps.push(Step::RemoveServer { key });
        }
        // Keys are not left lying about.
        for &index in current.configs.keys().filter(|index| !wanted.configs.contains_key(index)) {
            self.steps.push(Step::SetCidConfig { index, config: Box::default() });
        }
    }
}
