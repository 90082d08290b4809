//! The promises, on random histories in the kernel. The same run on the host engine, and many more of them:
//! `lb-user/tests/promises`.

use std::time::Duration;

use anyhow::Result;
use lb_common::{
    reason::Reason,
    state::{Audit, Pin, SessionKey},
    tables::Store,
    time::Tick,
};
use lb_user::plan::{self, State, Step};
use limpet_tests::{
    packets::{
        kernel::{Kernel, pin_to, settle, tick},
        table::{Action, Side, World as _},
    },
    promises::{BACKENDS, PORTS, balancer::Balancer, daemon::LIMITS, run},
};

/// Histories of a run.
const HISTORIES: u32 = 2_000;
/// What a history takes at most, on a machine that is not busy.
const HISTORY: Duration = Duration::from_millis(200);

/// The packet program. Its clock can't be set: time goes by as stamps are moved back.
struct Loaded(Kernel);

impl Balancer for Loaded {
    fn begin(&mut self) {
        self.0.clear();
        settle(HISTORY);
    }

    fn apply(&mut self, step: &Step) -> Result<()> {
        plan::apply(step, &mut self.0.program.kernel)
    }

    fn adopt(&self) -> Result<Option<State>> {
        State::adopt(&self.0.program.kernel, BACKENDS).map(Some)
    }

    fn now(&self) -> Tick {
        tick()
    }

    fn patience(&self) -> u32 {
        // No stamp can be of a time before the machine's start.
        tick().0.saturating_sub(1).min(10_000)
    }

    fn wait(&mut self, ticks: u32) {
        self.0.wait(ticks);
    }

    fn ifindex(&self) -> u32 {
        self.0.ifindex(Side::Outside)
    }

    fn send(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let ran = self.0.run(frame, Side::Outside);
        (ran.action == Action::Tx).then_some(ran.bytes)
    }

    fn sessions(&self) -> Vec<(Store, SessionKey, Pin)> {
        let mut all = Vec::new();
        let each =
            |stored: &lb_user::dataplane::StoredSession| all.push((stored.store, stored.key, stored.pin));
        self.0.program.kernel.for_each_session(each).expect("readable");
        all
    }

    fn evict(&mut self, key: &SessionKey) {
        self.0.program.kernel.remove_session(Store::Affinity, key).expect("writable");
    }

    fn audit(&self, service: u32) -> Audit {
        self.0.program.kernel.audit(service).expect("readable")
    }

    fn count(&self, reason: Reason) -> u64 {
        self.0.program.kernel.count(reason).expect("readable")
    }
}

#[test]
fn promises_are_kept_in_the_kernel() {
    pin_to(0);
    let played = run(Loaded(Kernel::with(&LIMITS, PORTS)), HISTORIES).unwrap_or_else(|what| panic!("{what}"));
    println!("{HISTORIES} histories: {played}");
    assert!(played.missed().is_empty(), "never happened: {:?}", played.missed());
}
