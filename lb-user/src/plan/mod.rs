//! From what runs to what is wanted: a pure difference, as steps in an order that is safe at each
//! moment, and their application.
//!
//! Order: source addresses, outer headers, backends that are new or changed, access lists, how connection ids are read
//! and whose they are, slot tables with their services,
//! then the reverse: services that go, backends that go, lists that go. So no slot ever points at an absent
//! backend, and no service at a list that is not whole. A slot table is written into a free place first, and a
//! list under a free number; replacing the service's entry, which is one atomic write, swaps both in.
//!
//! A service of several ports has an entry for each; all lead to the same slot table, and they are replaced one
//! after the other. In between, new clients of one port are served by the old table, those of another by the new one:
//! both are whole, and whoever has a session is sent by that.

mod apply;
mod impact;
mod lists;
mod quic;
mod ranges;
mod recipe;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use apply::apply;
pub use impact::{Assessment, Impact};
pub use quic::Quic;
pub use recipe::{scope, seed, service_key, settings_key, tunnel};
pub use state::{BackendState, Inputs, ServiceState, SlotTable, Sources, State};
pub use step::Step;

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use anyhow::{Result, bail};
use lb_common::{
    net::Be16,
    state::{BackendId, Health, Service, ServiceKey, Tunnel},
};

use self::{quic::Numbers, ranges::Places};
use crate::{
    health::BackendKey,
    model::{self, Model, Ports},
    slots::{self, Member},
};

/// Steps, what they lead to, and what they mean to people.
#[derive(Debug, Default)]
pub struct Plan {
    /// To be applied in this order.
    pub steps: Vec<Step>,
    /// What is installed afterwards.
    pub next: State,
    /// One sentence for each change of the configuration; empty if only health or next hops changed.
    pub changes: Vec<String>,
}

/// Works out how to get from `current` to `model`.
///
/// # Errors
/// A table is too small, or the source addresses changed in a way that connections can't follow.
pub fn plan(current: &State, model: &Model, inputs: &Inputs) -> Result<Plan> {
    let mut plan = Plan { next: current.clone(), ..Plan::default() };
    let first = |service| recipe::service_keys(service).next().expect("a service has a port");
    let tables = || model.services.iter().map(|service| (first(service), service.slots));
    let places = Places::find(current.tables(), model.limits.slots, tables());
    plan.sources(current, inputs)?;
    plan.tunnels(current, inputs);
    plan.add_lists(current, model);
    for service in &model.services {
        for backend in &service.backends {
            plan.backend(current, model, inputs, service, backend)?;
        }
    }
    let numbers = plan.quic(current, model);
    for service in &model.services {
        plan.service(current, inputs, service, &places, &numbers)?;
    }
    plan.beside(current, model, inputs);
    plan.leave(current, model);
    plan.remove_lists();
    // A later change of health must not fail for want of room: such a configuration is refused now.
    let spare = Places::find(plan.next.tables(), model.limits.slots, tables());
    tables().try_for_each(|(key, length)| spare.of(&key, length).map(drop))?;
    Ok(plan)
}

impl Plan {
    fn sources(&mut self, current: &State, inputs: &Inputs) -> Result<()> {
        let merged = current.sources.merged(&inputs.sources)?;
        if merged != current.sources {
            self.steps.push(Step::SetSources(merged.table()));
        }
        self.next.sources = merged;
        Ok(())
    }

    /// Before the backends, which need them. Of a family without backends they stay, as packets to those that
    /// leave are still under way.
    fn tunnels(&mut self, current: &State, inputs: &Inputs) {
        for (next, wanted) in self.next.tunnels.iter_mut().zip(inputs.tunnels) {
            if wanted == Tunnel::default() || wanted == *next {
                continue;
            }
            if *next != Tunnel::default() {
                let family = if std::net::IpAddr::from(next.source).is_ipv4() { "IPv4" } else { "IPv6" };
                self.changes.push(format!("outer {family} headers of tunnels"));
            }
            *next = wanted;
        }
        if self.next.tunnels != current.tunnels {
            self.steps.push(Step::SetTunnels(self.next.tunnels));
        }
    }

    fn backend(
        &mut self,
        current: &State,
        model: &Model,
        inputs: &Inputs,
        service: &model::Service,
        backend: &model::Backend,
    ) -> Result<()> {
        let key = BackendKey { service: service.name.clone(), backend: backend.name.clone() };
        let mut wanted = recipe::recipe(service, backend, &inputs.sources);
        let health = inputs.health(&key);
        let known = current.backends.get(&key).filter(|known| recipe::same_identity(&known.recipe, &wanted));
        let id = match known {
            Some(known) => {
                wanted.generation = known.recipe.generation;
                inputs.resolve(backend.address, &mut wanted, Some(&known.recipe));
                if wanted != known.recipe {
                    self.steps.push(Step::ChangeBackend { id: known.id, recipe: wanted });
                }
                if health != known.health {
                    self.steps.push(Step::SetHealth { id: known.id, health });
                }
                if known.weight.is_some_and(|weight| weight != backend.weight) {
                    self.changes.push(format!(
                        "service {}: weight of backend {} from {} to {}",
                        service.name,
                        backend.name,
                        known.weight.unwrap_or_default(),
                        backend.weight
                    ));
                }
                known.id
            }
            None => {
                let id = self.next.take_id(model.limits.backends)?;
                wanted.generation = self.next.next_generation(id);
                inputs.resolve(backend.address, &mut wanted, None);
                self.steps.push(Step::AddBackend { id, key: key.clone(), recipe: wanted, health });
                let verb = if current.backends.contains_key(&key) { "replace" } else { "add" };
                self.changes.push(format!(
                    "service {}: {verb} backend {} at {}",
                    service.name,
                    backend.name,
                    match backend.port {
                        Some(port) => SocketAddr::new(backend.address, port).to_string(),
                        None => backend.address.to_string(),
                    }
                ));
                id
            }
        };
        self.next
            .backends
            .insert(key, BackendState { id, recipe: wanted, health, weight: Some(backend.weight) });
        Ok(())
    }

    fn service(
        &mut self,
        current: &State,
        inputs: &Inputs,
        service: &model::Service,
        places: &Places,
        numbers: &Numbers,
    ) -> Result<()> {
        let common = Service {
            access: self.list_number(service),
            quic: numbers.of_service(service),
            ..recipe::service_entry(service)
        };
        let keys: Vec<_> = recipe::service_keys(service).collect();
        let own = |key| current.services.get(key).filter(|known| known.entry.scope == common.scope);
        let before = keys.iter().filter_map(own).find(|known| known.table.is_some());
        let table = self.slot_table(inputs, service, before.and_then(|known| known.table.as_ref()));
        let kept = before.filter(|known| known.table.as_ref().is_some_and(|it| it.slots == table.slots));
        let (slots_base, mut fresh) = match kept {
            Some(known) => (known.entry.slots_base, None),
            None => (places.of(&keys[0], service.slots)?, Some(Arc::clone(&table.slots))),
        };
        self.service_changes(current, service, &keys, &common);
        let mut table = Some(table);
        for key in keys {
            let entry = Service { port: key.port, slots_base, ..common };
            if current.services.get(&key).is_none_or(|known| known.entry != entry) {
                self.steps.push(Step::PutService { key, entry, table: fresh.take() });
            }
            self.next.services.insert(key, ServiceState { entry, table: table.take() });
        }
        Ok(())
    }

    /// What changes about a service, apart from its backends.
    fn service_changes(
        &mut self,
        current: &State,
        service: &model::Service,
        keys: &[ServiceKey],
        common: &Service,
    ) {
        let alike = |entry: Service| {
            Service { slots_base: 0, port: Be16::default(), access: common.access, ..entry } == *common
        };
        let known: Vec<_> = keys.iter().map(|key| (key, current.services.get(key))).collect();
        let own = |entry: &Service| entry.scope == common.scope;
        if !known.iter().any(|(_, known)| known.is_some_and(|known| own(&known.entry)))
            && !current.services.values().any(|known| own(&known.entry))
        {
            let at = format!("{}/{}", service.ports.at(service.address), service.protocol);
            self.changes.push(match known[0].1 {
                Some(_) => format!("service at {at} is now {}", service.name),
                None => format!("add service {} at {at}", service.name),
            });
            return;
        }
        for (key, known) in &known {
            if known.is_none_or(|known| !own(&known.entry)) {
                self.changes.push(format!("service {}: add port {}", service.name, port(key)));
            }
        }
        if known.iter().any(|(_, known)| known.is_some_and(|it| own(&it.entry) && !alike(it.entry))) {
            self.changes.push(format!("service {}: persistence or slots", service.name));
        }
        let changes_list = |entry: &Service| own(entry) && entry.access != common.access;
        if known.iter().any(|(_, known)| known.is_some_and(|it| changes_list(&it.entry))) {
            self.changes.push(format!("service {}: access list", service.name));
        }
    }

    /// Slots go to the backends that are up; if none is, to all, so that the first that comes back
    /// serves without waiting for a new table.
    fn slot_table(&self, inputs: &Inputs, service: &model::Service, before: Option<&SlotTable>) -> SlotTable {
        let installed = |backend: &model::Backend| {
            let key = BackendKey { service: service.name.clone(), backend: backend.name.clone() };
            (self.next.backends[&key].id, self.next.backends[&key].health == Health::Up)
        };
        let any_up = service.backends.iter().any(|backend| installed(backend).1);
        let member = |backend: &model::Backend| {
            let (id, up) = installed(backend);
            (up || !any_up).then(|| (backend.name.clone(), backend.weight, id))
        };
        let members: Vec<_> = service.backends.iter().filter_map(member).collect();
        let same =
            |before: &&SlotTable| before.members == members && before.slots.len() == service.slots as usize;
        if let Some(before) = before.filter(same) {
            return before.clone();
        }
        let list: Vec<_> =
            members.iter().map(|(name, weight, id)| Member { name, weight: *weight, id: id.0 }).collect();
        let slots = slots::fill(&list, service.slots, inputs.seed).into();
        SlotTable { members, slots }
    }

    /// Entries beside the services' own: marks of their addresses, and where fragments without ports go.
    fn beside(&mut self, current: &State, model: &Model, inputs: &Inputs) {
        for (key, entry) in recipe::beside(model, &inputs.answered, |key| self.next.services[key].entry) {
            if current.services.get(&key).is_none_or(|known| known.entry != entry) {
                self.steps.push(Step::PutService { key, entry, table: None });
            }
            self.next.services.insert(key, ServiceState { entry, table: None });
        }
    }

    fn leave(&mut self, current: &State, model: &Model) {
        let mut services = BTreeSet::new();
        let mut backends = BTreeSet::new();
        services.extend(recipe::keys_beside(model).into_keys());
        for service in &model.services {
            services.extend(recipe::service_keys(service));
            backends.extend(service.backends.iter().map(|backend| (&service.name, &backend.name)));
        }
        for key in current.services.keys().filter(|key| !services.contains(key)) {
            self.steps.push(Step::RemoveService { key: *key });
            self.next.services.remove(key);
            if !key.is_service() {
                continue;
            }
            let scope = current.services[key].entry.scope;
            self.changes.push(match model.services.iter().find(|it| recipe::scope(&it.name) == scope) {
                Some(service) => format!("service {}: remove port {}", service.name, port(key)),
                None => format!("remove service at {}", describe(key)),
            });
        }
        for id in std::mem::take(&mut self.next.orphans) {
            self.steps.push(Step::RemoveBackend { id });
            self.next.release_id(id);
        }
        for (key, known) in &current.backends {
            let configured = backends.contains(&(&key.service, &key.backend));
            if configured && self.next.backends.get(key).is_some_and(|next| next.id == known.id) {
                continue;
            }
            self.steps.push(Step::RemoveBackend { id: known.id });
            self.next.release_id(known.id);
            if !configured {
                self.next.backends.remove(key);
                self.changes.push(format!("service {}: remove backend {}", key.service, key.backend));
            }
        }
    }
}

/// A service's address, port and protocol, for people.
fn describe(key: &ServiceKey) -> String {
    let protocol = if key.protocol() == lb_common::net::protocol::UDP { "udp" } else { "tcp" };
    format!("{}/{protocol}", port(key).at(key.address.into()))
}

fn port(key: &ServiceKey) -> Ports {
    Ports::from(vec![key.port.get()])
}

fn full(table: &str, limit: u32, setting: &str) -> Result<BackendId> {
    bail!(
        "{table} is full at {limit}: raise `{setting}` in [limits], which needs a restart with --detach-on-exit"
    )
}
