//! Where histories run: what the host engine and the kernel have in common.

use anyhow::Result;
use lb_common::{
    engine::{self, Verdict},
    host::{HostFrame, HostTables},
    reason::Reason,
    settings::Settings,
    state::{Audit, Backend, CidConfig, Pin, SessionKey, quic},
    tables::Store,
    time::Tick,
};
use lb_user::plan::{self, State, Step};

use super::{BACKENDS, BUCKETS, PORTS, SLOTS};

/// A packet path, and the tables that plans are applied to.
pub trait Balancer {
    /// Empties all tables. Time begins.
    fn begin(&mut self);
    /// Applies a step of a plan.
    ///
    /// # Errors
    /// As [`plan::apply`].
    fn apply(&mut self, step: &Step) -> Result<()>;
    /// What a new daemon finds installed, where it can read that back.
    ///
    /// # Errors
    /// As [`State::adopt`].
    fn adopt(&self) -> Result<Option<State>>;
    /// Now.
    fn now(&self) -> Tick;
    /// Did the clock go on by itself since the history began?
    fn was_held_up(&self) -> bool;
    /// How many ticks may go by in a history at most.
    fn patience(&self) -> u32;
    /// Lets ticks go by.
    fn wait(&mut self, ticks: u32);
    /// The interface that everybody is behind.
    fn ifindex(&self) -> u32;
    /// Runs the packet path on a frame: what leaves, if anything does.
    fn send(&mut self, frame: &[u8]) -> Option<Vec<u8>>;
    /// Every stored session.
    fn sessions(&self) -> Vec<(Store, SessionKey, Pin)>;
    /// Evicts a stranger's session.
    fn evict(&mut self, key: &SessionKey);
    /// What became of the promises of the service of this number.
    fn audit(&self, service: u32) -> Audit;
    /// A counter.
    fn count(&self, reason: Reason) -> u64;
}

/// The host engine.
#[derive(Debug)]
pub struct Host(HostTables);

impl Host {
    /// Without anything in its tables.
    pub fn new() -> Self {
        let key = std::array::from_fn(|at| 0x9e37_79b9_u32.wrapping_mul(at as u32 * 2 + 1));
        let mut tables = HostTables::new(Settings::new(key, BUCKETS, 1, PORTS, 1));
        tables.now.set(Tick(1_000_000));
        tables.backends = vec![Backend::default(); BACKENDS as usize + 1];
        tables.health = vec![0; BACKENDS as usize + 1];
        tables.slots = vec![0; SLOTS as usize];
        tables.quic = vec![CidConfig::default(); quic::ENTRIES as usize];
        Self(tables)
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Balancer for Host {
    fn begin(&mut self) {
        *self = Self::new();
    }

    fn apply(&mut self, step: &Step) -> Result<()> {
        plan::apply(step, &mut self.0)
    }

    fn adopt(&self) -> Result<Option<State>> {
        Ok(None)
    }

    fn now(&self) -> Tick {
        self.0.now.get()
    }

    fn was_held_up(&self) -> bool {
        false
    }

    fn patience(&self) -> u32 {
        // The age of a connection wraps after 2^14 ticks.
        10_000
    }

    fn wait(&mut self, ticks: u32) {
        self.0.now.set(Tick(self.now().0 + ticks));
    }

    fn ifindex(&self) -> u32 {
        1
    }

    fn send(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let mut frame = HostFrame::new(frame.to_vec(), self.ifindex());
        let (_, verdict) = engine::process(&mut frame, &self.0);
        matches!(verdict, Verdict::Send { .. }).then_some(frame.bytes)
    }

    fn sessions(&self) -> Vec<(Store, SessionKey, Pin)> {
        let mut all = Vec::new();
        for (store, sessions) in [Store::Pins, Store::Affinity].into_iter().zip(&self.0.sessions) {
            all.extend(sessions.borrow().iter().map(|(key, session)| (store, *key, session.load())));
        }
        all
    }

    fn evict(&mut self, key: &SessionKey) {
        self.0.sessions[1].borrow_mut().remove(key);
    }

    fn audit(&self, service: u32) -> Audit {
        self.0.audit.borrow().get(&service).copied().unwrap_or_default()
    }

    fn count(&self, reason: Reason) -> u64 {
        self.0.counters.borrow().get(&reason).copied().unwrap_or(0)
    }
}
