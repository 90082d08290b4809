//! Clears away what has expired: the packet program only ever judges what it looks up.

use std::collections::HashMap;

use anyhow::Result;
use lb_common::{
    state::{BackendId, Pin, SessionKey},
    time::Tick,
};
use tracing::warn;

use super::core::Core;
use crate::{
    clock,
    dataplane::Sessions,
    plan::{BackendState, State},
};

/// Sessions by home and its generation.
pub(super) type ByHome = HashMap<(BackendId, u32), u64>;

impl Core {
    /// Clears sessions that are idle for too long or whose service is gone, flows that are long idle or whose backend is
    /// gone, and gives back the source ports of backends that are down or gone.
    pub(super) fn sweep(&mut self) {
        self.sweep_sessions();
        self.sweep_flows();
        if let Err(error) = self.warn_of_drops() {
            warn!("cannot read the counters: {error:#}");
        }
        self.warn_of_sleep();
    }

    /// Beside the daemon's task; who is left is counted.
    pub(super) fn sweep_sessions(&mut self) {
        if std::mem::replace(&mut self.is_sweeping, true) {
            return;
        }
        let timeouts = Timeouts::of(&self.state, clock::now());
        self.aside(
            move |sessions| timeouts.sweep(sessions),
            |core, left| {
                core.is_sweeping = false;
                match left {
                    Ok(left) => core.count_loads(&left),
                    Err(error) => warn!("cannot clear away sessions that expired: {error:#}"),
                }
            },
        );
    }

    fn sweep_flows(&mut self) {
        let backends: HashMap<BackendId, &BackendState> =
            self.state.backends.values().map(|backend| (backend.id, backend)).collect();
        let (kernel, now) = (&mut self.program.kernel, clock::now());
        kernel.sweep_flows(now, |id| !backends.contains_key(&id));
        kernel.sweep_ports(now, |id, generation| {
            backends
                .get(&id)
                .is_some_and(|backend| backend.recipe.generation == generation && backend.health.serves())
        });
    }
}

/// Idle timeouts in ticks, by scope, at a moment.
struct Timeouts {
    by_scope: HashMap<u64, u32>,
    at: Tick,
}

impl Timeouts {
    fn of(state: &State, at: Tick) -> Self {
        let services = state.services.values();
        Self {
            by_scope: services.map(|service| (service.entry.scope, service.entry.idle_ticks)).collect(),
            at,
        }
    }

    fn sweep(&self, sessions: &mut Sessions) -> Result<ByHome> {
        let (mut dead, mut left) = (Vec::new(), ByHome::new());
        let now = clock::now();
        sessions.survey(|session| {
            if self.is_dead(&session.key, &session.pin, now) {
                dead.push(session.key);
            } else {
                *left.entry((session.pin.backend, session.pin.generation)).or_default() += 1;
            }
        })?;
        for key in dead {
            // The client may have come back since.
            sessions.remove_if(&key, |pin| self.is_dead(&key, pin, now))?;
        }
        Ok(left)
    }

    /// True for a session that can't decide any more and that no connection uses. One that has merely
    /// outlived its service's `max_lifetime` stays while it is in use: it bounds the open connection,
    /// which would otherwise store a new one, with a new lifetime, on the same backend.
    fn is_dead(&self, key: &SessionKey, pin: &Pin, now: Tick) -> bool {
        match self.by_scope.get(&key.scope) {
            Some(&idle) => pin.idled(now, idle),
            // A service that nobody knew then may be there by now.
            None => self.at.since(pin.seen) > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use lb_common::net::Ip;

    use super::*;

    #[test]
    fn idle_sessions_and_those_without_a_service_are_dead() {
        let timeouts = Timeouts { by_scope: HashMap::from([(7, 100)]), at: Tick(5_001) };
        let pin = Pin { created: Tick(0), seen: Tick(5_000), ..Pin::new(BackendId(1), 1, Tick(0)) };
        let dead =
            |scope, now| timeouts.is_dead(&SessionKey { scope, client: Ip::default() }, &pin, Tick(now));
        // However old it is.
        assert!(!dead(7, 5_100));
        assert!(dead(7, 5_101));
        assert!(dead(8, 5_002));
        let younger = Pin { seen: Tick(5_001), ..pin };
        assert!(!timeouts.is_dead(&SessionKey { scope: 8, client: Ip::default() }, &younger, Tick(5_002)));
    }
}
