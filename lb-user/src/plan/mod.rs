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
mod backends;
mod groups;
mod impact;
mod lists;
mod masks;
mod numbers;
mod quic;
mod ranges;
mod recipe;
mod services;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use apply::apply;
pub use groups::{home_key, same_home};
pub use impact::{Assessment, Hit, Impact};
pub use quic::Quic;
pub use recipe::{digest_key, scope, seed, service_key, settings_key, tag, tunnel};
pub use state::{BackendState, Inputs, ServiceState, SlotTable, Sources, State};
pub use step::Step;

use std::collections::BTreeSet;

use anyhow::Result;
use lb_common::state::{ServiceKey, Tunnel};

use self::{numbers::Numbers, ranges::Places};
use crate::model::{Model, Ports};

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
    let numbers = plan.numbers(current, model)?;
    plan.homes(current, model)?;
    plan.members(current, model, &numbers);
    let by_id = plan.quic(current, model);
    let slot_tables = plan.slot_tables(current, model, inputs, &numbers);
    for (service, table) in model.services.iter().zip(slot_tables) {
        plan.service(current, (service, table), &places, (&numbers, &by_id))?;
    }
    plan.beside(current, model, inputs);
    plan.leave(current, model, &numbers);
    plan.forget_members(current);
    plan.forget_masks();
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

    fn leave(&mut self, current: &State, model: &Model, numbers: &Numbers) {
        let mut services = BTreeSet::new();
        let mut backends = BTreeSet::new();
        let homes = groups::homes(model);
        backends.extend(homes.keys().map(|key| (&key.service, &key.backend)));
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
            self.changes.push(match numbers.name_of(&current.services[key].entry) {
                Some(name) => format!("service {name}: remove port {}", port(key)),
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
                // A home leaves with the backends that it stands for.
                if !key.service.starts_with('@') {
                    self.changes.push(format!("service {}: remove backend {}", key.service, key.backend));
                }
            }
        }
    }
}

/// A service's address, port and protocol, for people.
fn describe(key: &ServiceKey) -> String {
    let protocol = if key.protocol() == lb_common::net::protocol::UDP { "udp" } else { "tcp" };
    format!("{}/{protocol}", port(key).at(key.address.into()))
}

/// A service's port as the configuration writes it.
fn port(key: &ServiceKey) -> Ports {
    Ports::from(vec![key.port().get()])
}
