//! Clears away what has expired: the packet program only ever judges what it looks up.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use lb_common::{state::BackendId, time::Tick};

use crate::{dataplane::Kernel, plan::State};

/// Clears sessions that are expired or whose service is gone, and flows that are long idle or whose
/// backend is gone.
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
    let backends: HashSet<BackendId> = state.backends.values().map(|backend| backend.id).collect();
    kernel.sweep_flows(now, |id| !backends.contains(&id));
    Ok(())
}
