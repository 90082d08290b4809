//! The same flood on a table that remembers clients by least recent use alone.

use std::{net::Ipv4Addr, path::Path};

use anyhow::{Context as _, Result};
use aya::{
    EbpfLoader, TestRun as _, TestRunOptions,
    programs::{ProgramFd, Xdp},
};

use super::{
    CLIENTS, Outcome, PARTS, Phase,
    feed::{Feed, Kind},
    template,
};

/// What `limpet_lru` returns for a client that it knows.
const KNOWN: u32 = 3;
/// Offset of the source address.
const SOURCE: usize = 26;

/// Floods a table of `entries` clients with `packets` packets. `object` is the feeder's file.
///
/// # Errors
/// A system call failed.
pub fn run(entries: u32, packets: u32, object: &Path) -> Result<Outcome> {
    let mut ebpf = EbpfLoader::new().map_max_entries("CLIENTS", entries).load_file(object)?;
    let program: &mut Xdp = ebpf.program_mut("limpet_lru").context("no `limpet_lru`")?.try_into()?;
    program.load()?;
    let knows = |number: usize| -> Result<bool> {
        let mut frame = template();
        let [high, low] = (number as u16).to_be_bytes();
        frame[SOURCE..SOURCE + 4].copy_from_slice(&[100, 64, high, low]);
        let options = TestRunOptions { data_in: Some(&frame), ..TestRunOptions::new() };
        Ok(program.test_run(options)?.return_value == KNOWN)
    };
    for number in 0..2 * CLIENTS {
        knows(number)?;
    }
    let target: &ProgramFd = program.fd()?;
    let mut outcome = Outcome::new(format!("an LRU table of {entries} clients"));
    let mut lost = vec![false; CLIENTS];
    let feed = Feed::load(object, target, Kind::Syns, Ipv4Addr::new(192, 0, 2, 10))?;
    let mut seconds = 0.0;
    for _ in 0..PARTS {
        seconds += feed.run(&template(), packets / PARTS)?;
        for (number, lost) in lost.iter_mut().enumerate() {
            *lost |= !knows(number)?;
        }
    }
    outcome.phases.push(Phase { name: "SYNs", packets, seconds });
    outcome.open_lost = lost.iter().filter(|lost| **lost).count();
    for number in CLIENTS..2 * CLIENTS {
        outcome.idle_lost += usize::from(!knows(number)?);
    }
    Ok(outcome)
}
