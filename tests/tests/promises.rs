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
struct Loaded {
    kernel: Kernel,
    /// When the history began.
    began: Tick,
}

impl Balancer for Loaded {
    fn begin(&mut self) {
        self.kernel.clear();
        settle(HISTORY);
        self.began = tick();
    }

    fn apply(&mut self, step: &Step) -> Result<()> {
        plan::apply(step, &mut self.kernel.program.kernel)
    }

    fn adopt(&self) -> Result<Option<State>> {
        State::adopt(&self.kernel.program.kernel, BACKENDS).map(Some)
    }

    fn now(&self) -> Tick {
        tick()
    }

    fn was_held_up(&self) -> bool {
        tick() != self.began
    }

    fn patience(&self) -> u32 {
        // No stamp can be of a time before the machine's start.
        tick().0.saturating_sub(1).min(10_000)
    }

    fn wait(&mut self, ticks: u32) {
        self.kernel.wait(ticks);
    }

    fn ifindex(&self) -> u32 {
        self.kernel.ifindex(Side::Outside)
    }

    fn send(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let ran = self.kernel.run(frame, Side::Outside);
        (ran.action == Action::Tx).then_some(ran.bytes)
    }

    fn sessions(&self) -> Vec<(Store, SessionKey, Pin)> {
        let mut all = Vec::new();
        let each =
            |stored: &lb_user::dataplane::StoredSession| all.push((stored.store, stored.key, stored.pin));
        self.kernel.each_session(each);
        all
    }

    fn evict(&mut self, key: &SessionKey) {
        self.kernel.program.kernel.sessions.remove(Store::Affinity, key).expect("writable");
    }

    fn audit(&self, service: u32) -> Audit {
        self.kernel.program.kernel.audit(service).expect("readable")
    }

    fn count(&self, reason: Reason) -> u64 {
        self.kernel.program.kernel.count(reason).expect("readable")
    }
}

#[test]
fn promises_are_kept_in_the_kernel() {
    pin_to(0);
    let loaded = Loaded { kernel: Kernel::with(&LIMITS, PORTS), began: tick() };
    let played = run(loaded, HISTORIES).unwrap_or_else(|what| panic!("{what}"));
    println!("{played}");
    played.check();
}
