//! Slow start: backends that came up a short time ago get a part of their share, which grows.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use lb_common::state::Health;

use super::core::Core;
use crate::{health::BackendKey, model::Model, plan::Inputs};

/// Steps in which a share grows to the whole.
pub const STEPS: u32 = 10;

/// Backends that start slowly: since when, and for how long.
#[derive(Debug, Default)]
pub(super) struct Warmups(HashMap<BackendKey, (Instant, Duration)>);

impl Warmups {
    /// A backend came up.
    fn begin(&mut self, key: BackendKey, time: Duration) {
        self.0.insert(key, (Instant::now(), time));
    }

    /// Tenths of its share that each has now, from 1 on; those that have all of it are left out, and forgotten.
    fn shares(&mut self, now: Instant) -> HashMap<BackendKey, u32> {
        self.0.retain(|_, (since, time)| now.duration_since(*since) < *time);
        let share = |(key, (since, time)): (&BackendKey, &(Instant, Duration))| {
            (key.clone(), share(now.duration_since(*since), *time))
        };
        self.0.iter().map(share).collect()
    }

    /// When the next share grows; `None` if nobody is starting.
    pub(super) fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        let grows = |(since, time): &(Instant, Duration)| {
            *since + *time / STEPS * share(now.duration_since(*since), *time)
        };
        self.0.values().map(grows).min()
    }
}

fn share(since: Duration, time: Duration) -> u32 {
    let steps = since.as_secs_f64() / time.as_secs_f64() * f64::from(STEPS);
    (steps as u32 + 1).min(STEPS)
}

impl Core {
    /// A backend that takes clients from now on begins with a small share, where its service has it so.
    pub(super) fn came_up(&mut self, key: &BackendKey) {
        let service = self.model.services.iter().find(|service| service.name == key.service);
        if let Some(time) = service.and_then(|service| service.slow_start) {
            self.warmups.begin(key.clone(), time);
        }
    }

    /// The same for backends that `model` adds, or that an operator enables: at the start of the daemon nobody is new.
    pub(super) fn start_slowly(&mut self, model: &Model, inputs: &mut Inputs) {
        let is_running = !self.attachments.is_empty();
        for service in model.services.iter().filter(|_| is_running) {
            let Some(time) = service.slow_start else { continue };
            for backend in &service.backends {
                let key = BackendKey::new(&service.name, &backend.name);
                let known = self.state.backends.get(&key).map(|known| known.health);
                if matches!(known, None | Some(Health::Disabled)) && inputs.health(&key) == Health::Up {
                    self.warmups.begin(key, time);
                }
            }
        }
        inputs.shares = self.warmups.shares(Instant::now());
    }

    /// Lets shares grow.
    pub(super) fn warm_up(&mut self) {
        self.replan();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_in_steps() {
        let time = Duration::from_secs(30);
        let shares = [0, 2, 3, 15, 26, 27, 40].map(|seconds| share(Duration::from_secs(seconds), time));
        assert_eq!(shares, [1, 1, 2, 6, 9, 10, 10]);
        let mut warmups = Warmups::default();
        let key = BackendKey::new("web", "b1");
        warmups.begin(key.clone(), time);
        let now = Instant::now();
        assert_eq!(warmups.shares(now), HashMap::from([(key, 1)]));
        assert!(warmups.shares(now + time).is_empty() && warmups.0.is_empty());
    }
}
