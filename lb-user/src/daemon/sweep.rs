//! Clears away what has expired: the packet program only ever judges what it looks up.

use std::collections::HashMap;

use anyhow::Result;
use lb_common::{state::BackendId, time::Tick};

use crate::{
    dataplane::Kernel,
    plan::{BackendState, State},
};

/// Clears sessions that are expired or whose service is gone, flows that are long idle or whose
/// backend is gone, and gives back the source ports of backends that are down or gone.
///
/// # Errors
/// A system call failed.
pub(super) fn sweep(kernel: &mut Kernel, state: &State, now: Tick) -> Result<()> {
    let timeouts: HashMap<u64, (u32, u32)> = state
        .services
        .values()
        .map(|service| (service.entry.scope, (service.entry.idle_ticks, service.entry.lifetime_ticks)))
        .collect();
    let mut dead = Vec::new();
    kernel.for_each_session(|session| {
        let expired = timeouts
            .get(&session.key.scope)
            .is_none_or(|&(idle, lifetime)| session.pin.expired(now, idle, lifetime));
        if expired {
            dead.push((session.store, session.key));
        }
    })?;
    for (store, key) in dead {
        kernel.remove_session(store, &key)?;
    }
    let backends: HashMap<BackendId, &BackendState> =
        state.backends.values().map(|backend| (backend.id, backend)).collect();
    kernel.sweep_flows(now, |id| !backends.contains_key(&id));
    kernel.sweep_bindings(now, |id, generation| {
        backends
            .get(&id)
            .is_some_and(|backend| backend.recipe.generation == generation && backend.health.serves())
    });
    Ok(())
}
