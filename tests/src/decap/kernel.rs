//! The program in the kernel as a [`World`], run by `BPF_PROG_TEST_RUN`.

use lb_common::decap::Reason;
use lb_user::dataplane::Decap;

use super::table::{GUE_PORT, World, rules};
use crate::packets::{
    run::test_run,
    table::{Action, Ran},
};

/// The loaded program, with the table's rules.
pub struct Kernel(Decap);

impl Kernel {
    /// Loads it.
    ///
    /// # Panics
    /// Without root, or where the program was not built.
    pub fn new() -> Self {
        let mut program = Decap::load(GUE_PORT).unwrap_or_else(|error| panic!("{error:?}"));
        program.set_rules(rules().collect()).expect("writable");
        Self(program)
    }

    /// Runs a frame of which the first `linear` bytes are directly accessible.
    pub fn run_in_parts(&mut self, frame: &[u8], linear: usize) -> (bool, Vec<u8>) {
        let Ran { action, bytes } = test_run(self.0.xdp(), frame, 0, linear);
        assert!(matches!(action, Action::Pass | Action::Drop), "{action:?}");
        (action == Action::Pass, bytes)
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::new()
    }
}

impl World for Kernel {
    fn run(&mut self, frame: &[u8]) -> (bool, Vec<u8>) {
        self.run_in_parts(frame, frame.len())
    }

    fn counters(&self) -> Vec<(Reason, u64)> {
        self.0.figures().expect("readable")
    }
}
