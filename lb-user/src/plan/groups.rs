//! Groups: services that share sessions. A session of a group names a *home*, which stands for (group, backend name)
//! and has an id like a backend's; `MEMBERS` leads from there to the backend of that name in each service.

use std::{collections::BTreeMap, net::IpAddr};

use anyhow::Result;
use lb_common::{
    net::Ip,
    state::{Backend, Health, MemberKey},
};

use super::{BackendState, Plan, State, Step, numbers::Numbers, recipe};
use crate::{
    health::BackendKey,
    model::{self, Model},
};

/// Whom sessions of a service's backend name: itself, or its home in the service's group. No service's name begins
/// with `@`.
pub fn home_key(service: &model::Service, backend: &str) -> BackendKey {
    let service = match &service.persistence.group {
        Some(group) => format!("@{group}"),
        None => service.name.clone(),
    };
    BackendKey { service, backend: backend.to_owned() }
}

/// The homes that a model has: with the server's address in each family, by which it is known.
pub(super) fn homes(model: &Model) -> BTreeMap<BackendKey, Backend> {
    let mut homes: BTreeMap<_, Backend> = BTreeMap::new();
    for service in model.services.iter().filter(|service| service.persistence.group.is_some()) {
        for backend in &service.backends {
            let home = homes.entry(home_key(service, &backend.name)).or_default();
            let address = match backend.address {
                IpAddr::V4(_) => &mut home.address,
                IpAddr::V6(_) => &mut home.service_address,
            };
            *address = Ip::from(backend.address);
        }
    }
    homes
}

/// True if sessions of one may go on with the other, where both are known by this key.
pub fn same_home(key: &BackendKey, a: &Backend, b: &Backend) -> bool {
    if key.service.starts_with('@') { same_server(a, b) } else { recipe::same_identity(a, b) }
}

/// True if both may be the same server: no address that both have differs, and one is the same.
fn same_server(a: &Backend, b: &Backend) -> bool {
    let none = Ip::default();
    let pairs = [(a.address, b.address), (a.service_address, b.service_address)];
    let both = pairs.iter().filter(|(a, b)| *a != none && *b != none);
    both.clone().count() > 0 && both.clone().all(|(a, b)| a == b)
}

impl Plan {
    /// Adds homes, or changes the addresses by which they are known.
    pub(super) fn homes(&mut self, current: &State, model: &Model) -> Result<()> {
        for (key, mut recipe) in homes(model) {
            let known = current.backends.get(&key).filter(|known| same_server(&known.recipe, &recipe));
            let id = match known {
                Some(known) => {
                    recipe.generation = known.recipe.generation;
                    if recipe != known.recipe {
                        self.steps.push(Step::ChangeBackend { id: known.id, recipe });
                    }
                    known.id
                }
                None => {
                    let id = self.next.take_id(model.limits.backends)?;
                    recipe.generation = self.next.next_generation(id);
                    self.add(id, &key, recipe, Health::Up);
                    id
                }
            };
            self.next.backends.insert(key, BackendState { id, recipe, health: Health::Up, weight: None });
        }
        Ok(())
    }

    /// Says which backends are one server. What is there no more is left for [`Plan::forget_members`].
    pub(super) fn members(&mut self, current: &State, model: &Model, numbers: &Numbers) {
        let mut wanted = BTreeMap::new();
        for service in model.services.iter().filter(|service| service.persistence.group.is_some()) {
            for backend in &service.backends {
                let key = BackendKey::new(&service.name, &backend.name);
                let id = self.next.backends[&key].id;
                let home = self.next.backends[&home_key(service, &backend.name)].id;
                wanted.insert(MemberKey::of_home(home, numbers.of(service)), id);
                wanted.insert(MemberKey::of_backend(id), home);
            }
        }
        for (&key, &id) in &wanted {
            if current.members.get(&key) != Some(&id) {
                self.steps.push(Step::SetMember { key, id });
            }
        }
        self.next.members = wanted;
    }

    /// Members that no service has any more.
    pub(super) fn forget_members(&mut self, current: &State) {
        for &key in current.members.keys().filter(|key| !self.next.members.contains_key(key)) {
            self.steps.push(Step::RemoveMember { key });
        }
    }
}
