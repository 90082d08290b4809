//! `LOADS`: how many sessions each backend has, for services that choose by that.

use lb_common::state::{BackendId, Health, Load};

use super::{core::Core, sweep::ByHome};
use crate::{
    health::BackendKey,
    model::{Model, Scheduler, Service},
    plan,
};

/// A backend, whose sessions they are, and its weight.
struct Place<'c> {
    /// And its generation.
    home: (BackendId, u32),
    load: &'c Load,
    is_up: bool,
    weight: u32,
}

impl Core {
    /// Says how many sessions there are of each home.
    pub(super) fn count_loads(&self, sessions: &ByHome) {
        for place in by_load(&self.model).flat_map(|service| self.places(service)) {
            place.load.set_sessions(sessions.get(&place.home).copied().unwrap_or_default());
        }
        self.share_loads(&self.model);
    }

    /// Says how many sessions each backend may have, by those that were counted last.
    pub(super) fn share_loads(&self, model: &Model) {
        for service in by_load(model) {
            let places = self.places(service);
            let up = || places.iter().filter(|place| place.is_up);
            let total: u64 = up().map(|place| place.load.sessions()).sum();
            let weights: u64 = up().map(|place| u64::from(place.weight)).sum();
            for Place { load, weight, .. } in &places {
                let limit = service.max_load.map_or(0, |percent| bound(total, percent, *weight, weights));
                load.set_share(limit, *weight);
            }
        }
    }

    /// The backends of a service.
    fn places(&self, service: &Service) -> Vec<Place<'_>> {
        let place = |backend: &crate::model::Backend| {
            let key = BackendKey::new(&service.name, &backend.name);
            let own = self.state.backends.get(&key)?;
            let home = self.state.backends.get(&plan::home_key(service, &backend.name))?;
            Some(Place {
                home: (home.id, home.recipe.generation),
                load: self.program.kernel.load(own.id)?,
                is_up: own.health == Health::Up,
                weight: self.inputs.weight(&key, backend.weight),
            })
        };
        service.backends.iter().filter_map(place).collect()
    }
}

/// The services that choose by load.
fn by_load(model: &Model) -> impl Iterator<Item = &Service> {
    let is_so =
        |service: &&Service| service.scheduler == Scheduler::LeastSessions || service.max_load.is_some();
    model.services.iter().filter(is_so)
}

/// The sessions that a backend of this weight may have, of `total` and one more: at least one.
fn bound(total: u64, percent: u32, weight: u32, weights: u64) -> u32 {
    let share = u128::from(total + 1) * u128::from(percent) * u128::from(weight);
    let bound = share.div_ceil(100 * u128::from(weights.max(1)));
    u32::try_from(bound).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::bound;

    #[test]
    fn a_bound_is_a_share_and_never_nothing() {
        assert_eq!(bound(999, 125, 1, 4), 313);
        assert_eq!(bound(0, 101, 1, 100), 1);
        assert_eq!(bound(99, 150, 300, 400), 113);
        assert_eq!(bound(u64::from(u32::MAX), 10_000, 1, 1), u32::MAX);
    }
}
