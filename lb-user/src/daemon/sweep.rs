//! Clears away what has expired: the packet program only ever judges what it looks up.

use std::collections::HashMap;

use anyhow::Result;
use lb_common::{
    state::{BackendId, Pin, SessionKey},
    tables::Store,
    time::Tick,
};
use tracing::warn;

use super::core::Core;
use crate::{
    clock,
    dataplane::SessionMaps,
    plan::{BackendState, State},
};

/// What was found of sessions.
struct Found {
    dead: Vec<(Store, SessionKey)>,
    /// The others, by home.
    live: HashMap<BackendId, u64>,
    timeouts: Timeouts,
}

impl Core {
    /// Clears sessions that are idle for too long or whose service is gone, flows that are long idle or whose backend is
    /// gone, and gives back the source ports of backends that are down or gone.
    pub(super) fn sweep(&mut self) {
        let timeouts = Timeouts::of(&self.state);
        self.aside(
            move |maps| Found::of(maps, timeouts),
            |core, found| {
                if let Err(error) = found.and_then(|found| core.clear(&found)) {
                    warn!("cannot clear away sessions that expired: {error:#}");
                }
            },
        );
        self.sweep_flows();
        if let Err(error) = self.warn_of_drops() {
            warn!("cannot read the counters: {error:#}");
        }
        self.warn_of_sleep();
    }

    fn clear(&mut self, found: &Found) -> Result<()> {
        self.count_loads(&found.live);
        let (kernel, now) = (&mut self.program.kernel, clock::now());
        for (store, key) in &found.dead {
            // The client may have come back since.
            if kernel.session(*store, key)?.is_some_and(|pin| found.timeouts.is_dead(key, &pin, now)) {
                kernel.remove_session(*store, key)?;
            }
        }
        Ok(())
    }

    fn sweep_flows(&mut self) {
        let backends: HashMap<BackendId, &BackendState> =
            self.state.backends.values().map(|backend| (backend.id, backend)).collect();
        let (kernel, now) = (&mut self.program.kernel, clock::now());
        kernel.sweep_flows(now, |id| !backends.contains_key(&id));
        kernel.sweep_bindings(now, |id, generation| {
            backends
                .get(&id)
                .is_some_and(|backend| backend.recipe.generation == generation && backend.health.serves())
        });
    }
}

impl Found {
    fn of(maps: &SessionMaps, timeouts: Timeouts) -> Result<Self> {
        let (mut dead, mut live) = (Vec::new(), HashMap::new());
        let now = clock::now();
        maps.for_each(|session| {
            if timeouts.is_dead(&session.key, &session.pin, now) {
                dead.push((session.store, session.key));
            } else {
                *live.entry(session.pin.backend).or_default() += 1;
            }
        })?;
        Ok(Self { dead, live, timeouts })
    }
}

/// Idle timeouts in ticks, by scope.
struct Timeouts(HashMap<u64, u32>);

impl Timeouts {
    fn of(state: &State) -> Self {
        Self(state.services.values().map(|service| (service.entry.scope, service.entry.idle_ticks)).collect())
    }

    /// True for a session that can't decide any more and that no connection uses. One that has merely
    /// outlived its service's `max_lifetime` stays while it is in use: it bounds the open connection,
    /// which would otherwise store a new one, with a new lifetime, on the same backend.
    fn is_dead(&self, key: &SessionKey, pin: &Pin, now: Tick) -> bool {
        self.0.get(&key.scope).is_none_or(|&idle| pin.idled(now, idle))
    }
}

#[cfg(test)]
mod tests {
    use lb_common::net::Ip;

    use super::*;

    #[test]
    fn idle_sessions_and_those_without_a_service_are_dead() {
        let timeouts = Timeouts(HashMap::from([(7, 100)]));
        let pin = Pin { created: Tick(0), seen: Tick(5_000), ..Pin::new(BackendId(1), 1, Tick(0)) };
        let dead =
            |scope, now| timeouts.is_dead(&SessionKey { scope, client: Ip::default() }, &pin, Tick(now));
        // However old it is.
        assert!(!dead(7, 5_100));
        assert!(dead(7, 5_101));
        assert!(dead(8, 5_000));
    }
}
