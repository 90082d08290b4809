//! The same code on the host as a [`World`].

use lb_common::{
    decap::{self, HostRules, Reason},
    host::HostFrame,
    reason::Kind,
};

use super::{GUE_PORT, World, rules};

/// The table's rules in plain collections.
#[derive(Debug)]
pub struct Host(HostRules);

impl Default for Host {
    fn default() -> Self {
        Self(HostRules { rules: rules().collect(), gue_port: GUE_PORT, ..HostRules::default() })
    }
}

impl World for Host {
    fn run(&mut self, frame: &[u8]) -> (bool, Vec<u8>) {
        let mut frame = HostFrame::new(frame.to_vec(), 0);
        let reason = decap::process(&mut frame, &self.0);
        (reason.kind() != Kind::Drop, frame.bytes)
    }

    fn counters(&self) -> Vec<(Reason, u64)> {
        let counters = self.0.counters.borrow();
        Reason::ALL.iter().map(|&reason| (reason, counters.get(&reason).copied().unwrap_or(0))).collect()
    }
}
