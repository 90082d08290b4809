//! CPUs, and the time that is spent on them. By the scheduler's own clocks, in nanoseconds: what others on the machine use
//! is not in it.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity},
    sys::resource::{UsageWho, getrusage},
    sys::time::{TimeVal, TimeValLike as _},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// Those that this process may run on.
pub fn ours() -> Result<Vec<usize>> {
    let mine = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&cpu| mine.is_set(cpu).unwrap_or(false)).collect())
}

/// Of this thread, with the kernel's work for packets that was done on top of it.
pub fn of_thread() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Of the children that have ended and were waited for.
pub fn of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = |time: TimeVal| Duration::from_micros(time.num_microseconds().unsigned_abs());
    Ok(micros(usage.user_time()) + micros(usage.system_time()))
}

/// Of all threads of a process so far.
pub fn of_process(process: u32) -> Result<Duration> {
    let tasks = format!("/proc/{process}/task");
    let mut sum = 0;
    for task in fs::read_dir(&tasks).with_context(|| format!("process {process} is gone"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split(' ').next().and_then(|word| word.parse::<u64>().ok()).context("no schedstat")?;
    }
    Ok(Duration::from_nanos(sum))
}

/// The kernel's threads that do the work for packets that is too much at once, by CPU.
pub struct Workers(Vec<(usize, u32)>);

impl Workers {
    /// Of all CPUs.
    pub fn find() -> Result<Self> {
        let mut found = Vec::new();
        for process in fs::read_dir("/proc")? {
            let process = process?.path();
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            let cpu = name.trim_end().strip_prefix("ksoftirqd/").and_then(|cpu| cpu.parse().ok());
            let id = process.file_name().and_then(|id| id.to_str()?.parse().ok());
            found.extend(cpu.zip(id));
        }
        Ok(Self(found))
    }

    /// What those of these CPUs took so far.
    pub fn of(&self, cpus: &[usize]) -> Result<Duration> {
        self.0.iter().filter(|(cpu, _)| cpus.contains(cpu)).map(|(_, process)| of_process(*process)).sum()
    }
}
