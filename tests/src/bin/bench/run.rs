//! One test run, timed and checked.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use lb_common::reason::Reason;
use lb_user::dataplane::Kernel;
use nix::time::{ClockId, clock_gettime};

/// What `enum xdp_action` calls the ways that a test run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Action {
    /// On to the local stack.
    Pass = 2,
    /// Out by the interface it came in by.
    Tx = 3,
}

/// Runs `program` on `frame` `times` times. Returns ns in all, the system call's own included.
///
/// By the thread's CPU clock: the kernel's own figure is in whole ns a packet, too coarse for a program
/// of 7, and the wall clock counts other processes.
pub(crate) fn run(program: &Xdp, frame: &[u8], times: u32, action: Action) -> Result<f64> {
    let begin = cpu_time()?;
    test(program, frame, times, action)?;
    Ok((cpu_time()? - begin).as_secs_f64() * 1e9)
}

/// As [`run`], but in ns each, by the kernel's own figure: it is all there is for a few packets, as it leaves out the
/// system call, which takes longer than they do. The call has read the frame by then, and the program it has not.
pub(crate) fn burst(program: &Xdp, frame: &[u8], times: u32, action: Action) -> Result<f64> {
    Ok(test(program, frame, times, action)?.as_secs_f64() * 1e9)
}

/// What the kernel says that each took.
fn test(program: &Xdp, frame: &[u8], times: u32, action: Action) -> Result<Duration> {
    let options = TestRunOptions { data_in: Some(frame), repeat: times, ..TestRunOptions::new() };
    let result = program.test_run(options).context("the kernel refused a test run")?;
    ensure!(
        result.return_value == action as u32,
        "a test run ended with {}, not {action:?}",
        result.return_value
    );
    Ok(result.duration)
}

/// Times runs without what the system call costs by itself.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    call: f64,
}

impl Clock {
    /// Measures the system call: it patches the program's address into the kernel's code when there
    /// are repeats to come, which takes a quarter of a millisecond.
    pub(crate) fn new(empty: &Xdp, frame: &[u8]) -> Result<Self> {
        Ok(Self { call: run(empty, frame, 2, Action::Pass)? })
    }

    /// As [`run`], but in ns each.
    pub(crate) fn run(self, program: &Xdp, frame: &[u8], times: u32, action: Action) -> Result<f64> {
        Ok((run(program, frame, times, action)? - self.call) / f64::from(times))
    }
}

fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Counters before and after: what makes sure that a run measured what it says.
pub(crate) struct Counts(Vec<(Reason, u64)>);

impl Counts {
    pub(crate) fn read(kernel: &Kernel) -> Result<Self> {
        Ok(Self(kernel.figures()?.reasons))
    }

    /// How often `reason` was counted.
    pub(crate) fn of(&self, reason: Reason) -> u64 {
        self.0.iter().find(|(other, _)| *other == reason).map_or(0, |(_, count)| *count)
    }

    /// How often `reason` was counted since `earlier`.
    pub(crate) fn since(&self, earlier: &Self, reason: Reason) -> u64 {
        self.of(reason) - earlier.of(reason)
    }
}
