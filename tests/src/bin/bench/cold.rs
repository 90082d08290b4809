//! Bursts of packets that find nothing in the caches, as after a while in which the CPU did something else.

use std::{fs, hint::black_box};

use anyhow::{Context as _, Result};
use aya::programs::{Xdp, XdpMode};
use aya_obj::programs::XdpAttachType;

use crate::run::{Action, burst};

/// The last-level cache's size, in KiB with a `K` behind.
const CACHE: &str = "/sys/devices/system/cpu/cpu0/cache/index3/size";
/// How much is read, in multiples of that: caches don't forget the oldest line first.
const TIMES: usize = 4;
/// Bytes of a cache line.
const LINE: usize = 64;

/// What takes the caches' lines from everything else.
pub(crate) struct Filler(Vec<u8>);

impl Filler {
    /// As much as it takes for the caches of this machine.
    pub(crate) fn new() -> Result<Self> {
        let text = fs::read_to_string(CACHE).with_context(|| format!("cannot read {CACHE}"))?;
        let kib = text.trim().strip_suffix('K').and_then(|kib| kib.parse::<usize>().ok());
        let kib = kib.with_context(|| format!("{CACHE} says {text:?}"))?;
        // Written: memory that never was is one page of zeroes, again and again.
        Ok(Self(vec![1; TIMES * (kib << 10)]))
    }

    /// None, for comparison.
    pub(crate) const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// As [`burst`], twice: the first is not timed, and does what connections ask for once a second. Between them the
    /// caches are filled, so that nothing of the program is there, nor of what it reads.
    pub(crate) fn burst(&self, program: &Xdp, frame: &[u8], times: u32, action: Action) -> Result<f64> {
        let _attached = attach(program)?;
        burst(program, frame, times, action)?;
        let lines = self.0.iter().step_by(LINE);
        black_box(lines.fold(0, |sum: u8, &byte| sum.wrapping_add(byte)));
        burst(program, frame, times, action)
    }
}

/// Attaches `program` to the loopback interface. A test run of a program that is attached nowhere patches the program's
/// address into the kernel's code, and waits for other CPUs: milliseconds in which others have the caches.
fn attach(program: &Xdp) -> Result<Xdp> {
    let mut attached = Xdp::from_program_info(program.info()?, "attached".into(), XdpAttachType::Interface)?;
    attached.attach("lo", XdpMode::Skb).context("cannot attach to lo")?;
    Ok(attached)
}
