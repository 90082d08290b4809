//! Test runs of a program on packets from invented addresses.

use std::{
    env,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunOptions,
    maps::{Array, MapData, ProgramArray},
    programs::{ProgramFd, Xdp},
};
use nix::time::{ClockId, clock_gettime};

/// What the sources send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// A SYN each.
    Syns = 0,
    /// An ACK each, of a number that they can't know.
    Acks = 1,
    /// A SYN each, which the backend answers, and such an ACK.
    Handshakes = 2,
    /// A SYN each, made to travel: with right checksums.
    Live = 3,
}

/// The feeder's object file: `LIMPET_FEEDER`, or what the workspace built last.
pub fn object() -> PathBuf {
    env::var_os("LIMPET_FEEDER").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bpf/bpfel-unknown-none/release/limpet-feed"),
        PathBuf::from,
    )
}

/// A feeder in front of a program.
pub struct Feed {
    ebpf: Ebpf,
    next: Array<MapData, u32>,
    /// The slot empties when its map goes.
    _target: ProgramArray<MapData>,
}

impl Feed {
    /// Loads it from `object`. Packets go to port 80 of `service`.
    ///
    /// # Errors
    /// The object file is missing, or the kernel refuses.
    pub fn load(object: &Path, target: &ProgramFd, kind: Kind, service: Ipv4Addr) -> Result<Self> {
        let (kind, service) = (kind as u32, u32::from_ne_bytes(service.octets()));
        let mut ebpf = EbpfLoader::new()
            .override_global("KIND", &kind, true)
            .override_global("SERVICE", &service, true)
            .load_file(object)
            .with_context(|| format!("cannot load {}", object.display()))?;
        let program: &mut Xdp = ebpf.program_mut("limpet_flood").context("no `limpet_flood`")?.try_into()?;
        program.load()?;
        let next = Array::try_from(ebpf.take_map("NEXT").context("no NEXT")?)?;
        let mut slot = ProgramArray::try_from(ebpf.take_map("TARGET").context("no TARGET")?)?;
        slot.set(0, target, 0)?;
        Ok(Self { ebpf, next, _target: slot })
    }

    /// Goes on with the source of this number.
    ///
    /// # Errors
    /// A system call failed.
    pub fn seek(&mut self, number: u32) -> Result<()> {
        Ok(self.next.set(0, number, 0)?)
    }

    /// Sends `packets` packets. Returns seconds of this CPU.
    ///
    /// # Errors
    /// A system call failed.
    pub fn run(&self, frame: &[u8], packets: u32) -> Result<f64> {
        let program: &Xdp = self.ebpf.program("limpet_flood").context("no `limpet_flood`")?.try_into()?;
        let began = cpu_time()?;
        let options = TestRunOptions { data_in: Some(frame), repeat: packets, ..TestRunOptions::new() };
        program.test_run(options).context("the kernel refused a test run")?;
        Ok((cpu_time()? - began).as_secs_f64())
    }
}

/// Of this thread: what else the machine does is left out.
fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
