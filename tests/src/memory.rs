//! What a process takes.

use std::fs;

use anyhow::{Context as _, Result};

/// Its memory in KiB, of which the kernel says so: `VmRSS` is what it takes now, `VmHWM` its peak.
pub fn of(process: u32, what: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()).context("no such line")?;
    Ok(number.parse()?)
}

/// Begins to look for the peak anew.
pub fn forget_peak(process: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{process}/clear_refs"), "5")?)
}
