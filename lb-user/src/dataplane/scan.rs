//! `FLOWS`, mapped into the daemon's memory: counted and swept without a system call.

use std::collections::HashMap;

use lb_common::{
    state::{
        BackendId, Bucket, Phase,
        flow::{Entry, WAYS, Way},
    },
    time::Tick,
};

use super::mapped::Mapped;

/// The flow table, shared with the packet program.
#[derive(Debug)]
pub(super) struct FlowTable(pub(super) Mapped<Bucket>);

/// How many flows there are.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FlowCounts {
    /// Ways in use, of any kind and age.
    pub used: u64,
    /// Live flows from clients, by backend.
    pub by_backend: HashMap<BackendId, u64>,
}

/// A flow idle for longer (5 min) is not counted as live.
pub const LIVE_TICKS: u32 = 280;
/// A flow idle for longer (2.4 h) is cleared, before its 14-bit age wraps after 4.9 h. By then its
/// source port, if it has one, is free for others.
const CLEAR_TICKS: u32 = 8_192;
/// An age from here on (4.8 h) is that of a flow which was refreshed after the sweep read the clock:
/// ages count modulo 2^14.
const FUTURE_TICKS: u32 = (1 << 14) - 256;

impl FlowTable {
    /// Bucket `index`.
    pub(super) fn bucket(&self, index: u32) -> Option<&Bucket> {
        self.0.get(index as usize)
    }

    /// Counts flows.
    pub(super) fn count(&self, now: Tick) -> FlowCounts {
        let mut counts = FlowCounts::default();
        for entry in self.0.iter().flat_map(|bucket| &bucket.ways).map(Way::entry) {
            if entry.is_empty() {
                continue;
            }
            counts.used += 1;
            if let Some(id) = live(entry, now) {
                *counts.by_backend.entry(id).or_default() += 1;
            }
        }
        counts
    }

    /// Calls `each` for every live flow from a client, with its backend and the ticks since its last packet.
    pub(super) fn for_each_live(&self, now: Tick, mut each: impl FnMut(BackendId, u32)) {
        for entry in self.0.iter().flat_map(|bucket| &bucket.ways).map(Way::entry) {
            if let Some(id) = live(entry, now) {
                each(id, entry.idle(now));
            }
        }
    }

    /// Clears flows that are long idle, and those of backends that `gone` names.
    pub(super) fn sweep(&self, now: Tick, gone: impl Fn(BackendId) -> bool) {
        sweep(&self.0, now, gone);
    }

    /// Connections the table takes: half of its ways.
    pub(super) fn capacity(&self) -> u64 {
        (self.0.len() * WAYS / 2) as u64
    }
}

/// The backend of a live flow from a client.
fn live(entry: Entry, now: Tick) -> Option<BackendId> {
    let target = entry.target();
    let is_live = !entry.is_empty()
        && !target.is_reply()
        && entry.phase() != Phase::Closing
        && entry.idle(now) <= LIVE_TICKS;
    is_live.then(|| target.backend())
}

fn sweep(buckets: &[Bucket], now: Tick, gone: impl Fn(BackendId) -> bool) {
    for way in buckets.iter().flat_map(|bucket| &bucket.ways) {
        let entry = way.entry();
        let idle = (CLEAR_TICKS + 1..FUTURE_TICKS).contains(&entry.idle(now));
        if !entry.is_empty() && (idle || gone(entry.target().backend())) {
            // If a packet came in between, the way is judged again at the next sweep.
            let _cleared = way.clear(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use lb_common::state::Target;

    use super::*;

    const NOW: Tick = Tick(100_000);

    fn swept(refreshed: Tick) -> bool {
        let bucket = Bucket::default();
        let target = Target::direct(BackendId(1), 0);
        bucket.ways[0].fill(42, Entry::new(target, Phase::Proven, refreshed), 1);
        sweep(std::slice::from_ref(&bucket), NOW, |_| false);
        bucket.ways[0].entry().is_empty()
    }

    #[test]
    fn long_idle_flows_are_cleared() {
        assert!(!swept(Tick(NOW.0 - CLEAR_TICKS)));
        assert!(swept(Tick(NOW.0 - CLEAR_TICKS - 1)));
    }

    #[test]
    fn a_flow_refreshed_while_the_sweep_runs_is_kept() {
        assert!(!swept(Tick(NOW.0 + 1)));
        assert!(!swept(Tick(NOW.0 + 60)));
    }
}
