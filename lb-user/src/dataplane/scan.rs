//! `FLOWS`, mapped into the daemon's memory: counted and swept without a system call.

use std::collections::HashMap;

use lb_common::{
    state::{
        BackendId, Bucket, Phase,
        flow::{WAYS, Way},
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
const LIVE_TICKS: u32 = 280;
/// A flow idle for longer (2.4 h) is cleared, before its 14-bit age wraps after 4.9 h. By then its
/// source port, if it has one, is free for others.
const CLEAR_TICKS: u32 = 8_192;

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
            let target = entry.target();
            if !target.is_reply() && entry.phase() != Phase::Closing && entry.idle(now) <= LIVE_TICKS {
                *counts.by_backend.entry(target.backend()).or_default() += 1;
            }
        }
        counts
    }

    /// Clears flows that are long idle, and those of backends that `gone` names.
    pub(super) fn sweep(&self, now: Tick, gone: impl Fn(BackendId) -> bool) {
        for way in self.0.iter().flat_map(|bucket| &bucket.ways) {
            let entry = way.entry();
            if !entry.is_empty() && (entry.idle(now) > CLEAR_TICKS || gone(entry.target().backend())) {
                way.clear();
            }
        }
    }

    /// Connections the table takes: half of its ways.
    pub(super) fn capacity(&self) -> u64 {
        (self.0.len() * WAYS / 2) as u64
    }
}
