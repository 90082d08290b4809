//! From what runs to what is wanted: a pure difference, as steps in an order that is safe at each
//! moment, and their application.
//!
//! Order: source addresses, outer headers, backends that are new or changed, slot tables with their services, then
//! the reverse: services that go, backends that go. So no slot ever points at an absent backend. A
//! slot table is written into a free place first; replacing the service's entry, which is one atomic
//! write, swaps it in.

mod apply;
mod ranges;
mod recipe;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use apply::apply;
pub use recipe::{scope, seed, service_key, settings_key, tunnel};
pub use state::{BackendState, Inputs, ServiceState, SlotTable, Sources, State};
pub use step::Step;

use std::{
    collections::{BTreeSet, btree_map::Entry},
    sync::Arc,
};

use anyhow::{Result, bail};
use lb_common::{
    net::Ip,
    state::{BackendId, Health, Service, ServiceKey, Tunnel},
};

use self::ranges::Places;
use crate::{
    health::BackendKey,
    model::{self, Model},
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
    let tables = || model.services.iter().map(|service| (recipe::service_key(service), service.slots));
    let places = Places::find(current.tables(), model.limits.slots, tables());
    plan.sources(current, inputs)?;
    plan.tunnels(current, inputs);
    for service in &model.services {
        for backend in &service.backends {
            plan.backend(current, model, inputs, service, backend)?;
        }
        plan.service(current, inputs, service, &places)?;
    }
    plan.markers(model);
    plan.leave(current, model);
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
                    "service {}: {verb} backend {} at {}:{}",
                    service.name, backend.name, backend.address, backend.port
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
    ) -> Result<()> {
        let key = recipe::service_key(service);
        let mut entry = recipe::service_entry(service);
        let known = current.services.get(&key);
        let before = known.and_then(|known| known.table.as_ref());
        let table = self.slot_table(inputs, service, before);
        let table_changed = before.is_none_or(|before| before.slots != table.slots);
        match known {
            Some(known) if !table_changed => entry.slots_base = known.entry.slots_base,
            _ => entry.slots_base = places.of(&key, service.slots)?,
        }
        let name_changed = known.is_some_and(|known| known.entry.scope != entry.scope);
        match known {
            None => self.changes.push(format!("add service {} at {}", service.name, describe(&key))),
            Some(_) if name_changed => {
                self.changes.push(format!("service at {} is now {}", describe(&key), service.name));
            }
            Some(known) if Service { slots_base: 0, ..known.entry } != Service { slots_base: 0, ..entry } => {
                self.changes.push(format!("service {}: persistence or slots", service.name));
            }
            Some(_) => {}
        }
        if table_changed || known.is_some_and(|known| known.entry != entry) {
            let table = table_changed.then(|| Arc::clone(&table.slots));
            self.steps.push(Step::PutService { key, entry, table });
        }
        self.next.services.insert(key, ServiceState { entry, table: Some(table) });
        Ok(())
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

    /// Entries that mark addresses as services', for packets without a usable port.
    fn markers(&mut self, model: &Model) {
        for service in &model.services {
            let key = ServiceKey::any_port(Ip::from(service.address));
            if let Entry::Vacant(vacant) = self.next.services.entry(key) {
                let entry = Service::default();
                vacant.insert(ServiceState { entry, table: None });
                self.steps.push(Step::PutService { key, entry, table: None });
            }
        }
    }

    fn leave(&mut self, current: &State, model: &Model) {
        let mut services = BTreeSet::new();
        let mut backends = BTreeSet::new();
        for service in &model.services {
            services.extend([recipe::service_key(service), ServiceKey::any_port(Ip::from(service.address))]);
            backends.extend(service.backends.iter().map(|backend| (&service.name, &backend.name)));
        }
        for key in current.services.keys().filter(|key| !services.contains(key)) {
            self.steps.push(Step::RemoveService { key: *key });
            self.next.services.remove(key);
            if key.protocol() != 0 {
                self.changes.push(format!("remove service at {}", describe(key)));
            }
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
pub fn describe(key: &ServiceKey) -> String {
    let protocol = if key.protocol() == lb_common::net::protocol::UDP { "udp" } else { "tcp" };
    format!("{}/{protocol}", std::net::SocketAddr::new(key.address.into(), key.port.get()))
}

fn full(table: &str, limit: u32, setting: &str) -> Result<BackendId> {
    bail!(
        "{table} is full at {limit}: raise `{setting}` in [limits], which needs a restart with --detach-on-exit"
    )
}
