//! Backends: which id each has, and what is written of it.

use std::net::SocketAddr;

use anyhow::Result;
use lb_common::state::{Backend, BackendId, Health};

use super::{BackendState, Inputs, Plan, State, Step, recipe};
use crate::{
    dataplane::{Name, NewBackend},
    health::BackendKey,
    model::{self, Model},
};

impl Plan {
    /// Adds a backend at an unused id, in one step with those before it.
    pub(super) fn add(&mut self, id: BackendId, key: &BackendKey, recipe: Backend, health: Health) {
        let new = NewBackend { id, name: Name::new(&key.service, &key.backend), recipe, health };
        match self.steps.last_mut() {
            Some(Step::AddBackends(others)) => others.push(new),
            _ => self.steps.push(Step::AddBackends(vec![new])),
        }
    }

    /// Adds a backend, or changes what is there of the same identity.
    pub(super) fn backend(
        &mut self,
        current: &State,
        model: &Model,
        inputs: &Inputs,
        service: &model::Service,
        backend: &model::Backend,
    ) -> Result<()> {
        let key = BackendKey::new(&service.name, &backend.name);
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
                self.add(id, &key, wanted, health);
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
}
