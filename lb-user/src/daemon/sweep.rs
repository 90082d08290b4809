//! Clears away what has expired: the packet program only ever judges what it looks up.

use std::collections::HashMap;

use anyhow::Result;
use lb_common::{
    state::{BackendId, Pin, SessionKey},
    time::Tick,
};

use crate::{
    clock,
    dataplane::Kernel,
    plan::{BackendState, State},
};

/// Clears sessions that are idle for too long or whose service is gone, flows that are long idle or
/// whose backend is gone, and gives back the source ports of backends that are down or gone.
///
/// # Errors
/// A system call failed.
pub(super) fn sweep(kernel: &mut Kernel, state: &State) -> Result<()> {
    let timeouts = Timeouts::of(state);
    let mut dead = Vec::new();
    let now = clock::now();
    kernel.for_each_session(|session| {
        if timeouts.is_dead(&session.key, &session.pin, now) {
            dead.push((session.store, session.key));
        }
    })?;
    for (store, key) in dead {
        // The client may have come back since.
        if kernel.session(store, &key)?.is_some_and(|pin| timeouts.is_dead(&key, &pin, now)) {
            kernel.remove_session(store, &key)?;
        }
    }
    let backends: HashMap<BackendId, &BackendState> =
        state.backends.values().map(|backend| (backend.id, backend)).collect();
    let now = clock::now();
    kernel.sweep_flows(now, |id| !backends.contains_key(&id));
    kernel.sweep_bindings(now, |id, generation| {
        backends
            .get(&id)
            .is_some_and(|backend| backend.recipe.generation == generation && backend.health.serves())
    });
    Ok(())
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
