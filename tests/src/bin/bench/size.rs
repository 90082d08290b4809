//! How large things are: the program, its maps, and whether what was asked for fits into them.

use std::{fmt, path::Path};

use anyhow::{Context as _, Result};
use aya::programs::Xdp;
use lb_common::{reason::Reason, state::Forwarding};
use lb_user::{cli::GUE_PORT, dataplane::Decap, model::Limits};
use limpet_tests::budget::Budget;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    bed::Bed,
    feed::Feed,
    frame::{self, Segment},
    run::{Action, Counts, run},
};

/// Most MiB of maps at a default start.
const MAPS: f64 = 64.0;
/// Flows that must fit where so many are configured.
const FLOWS: u32 = 1_000_000;
/// How many of a hundred may be lost to full buckets.
const LOST: f64 = 1.0;

/// The figures, and what is promised of them.
pub(crate) struct Sizes {
    /// Of each program.
    pub(crate) lines: Vec<String>,
    pub(crate) budgets: [Budget; 2],
    pub(crate) json: Value,
}

pub(crate) fn measure(limits: &Limits, ports: (u16, u16), feeder: &Path) -> Result<Sizes> {
    let bed = Bed::load(limits, ports, &[])?;
    let mut programs = bed.program.all().into_iter().map(Size::of).collect::<Result<Vec<_>>>()?;
    programs.push(Size::of(Decap::load(GUE_PORT)?.xdp())?);
    let maps: u64 = bed.program.kernel.tables().iter().map(|(_, _, bytes)| bytes).sum();
    let found = found_again(limits, ports, feeder)?;
    let lost = 1.0 - f64::from(found) / f64::from(FLOWS);
    Ok(Sizes {
        lines: programs.iter().map(|size| format!("program {size}")).collect(),
        budgets: [
            Budget::at_most("maps of a default start", maps as f64 / f64::from(1 << 20), MAPS, "MiB"),
            Budget::at_most(format!("lost of {FLOWS} flows in a table for as many"), lost * 100.0, LOST, "%"),
        ],
        json: json!({
            "programs": programs, "map_bytes": maps, "flows": FLOWS, "flows_found": found,
        }),
    })
}

/// Of a program.
#[derive(Serialize)]
struct Size {
    /// As the kernel knows it.
    name: String,
    /// Instructions that the verifier walked.
    #[serde(rename = "verified_instructions")]
    verified: u32,
    /// Bytes of the instructions that it accepted.
    #[serde(rename = "translated_bytes")]
    translated: u32,
    /// Bytes of the machine's own.
    #[serde(rename = "native_bytes")]
    native: u32,
}

impl Size {
    fn of(program: &Xdp) -> Result<Self> {
        let info = program.info()?;
        let verified = info.verified_instruction_count();
        Ok(Self {
            name: info.name_as_str().unwrap_or_default().to_owned(),
            verified: verified.context("this kernel does not tell verified instructions")?,
            translated: info.size_translated().context("no right to see the program's size")?,
            native: info.size_jitted(),
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, verified, translated, native } = self;
        write!(f, "{name}: {verified} instructions verified, {translated} bytes translated, {native} native")
    }
}

/// Makes [`FLOWS`] connections in a table for so many; returns how many of them it still knows.
fn found_again(limits: &Limits, ports: (u16, u16), feeder: &Path) -> Result<u32> {
    let service = "192.0.2.1:80".parse()?;
    let mut bed = Bed::load(&Limits { flows: FLOWS, ..limits.clone() }, ports, &[])?;
    bed.serve(service, Forwarding::Dsr, (0, 0))?;
    let feed = Feed::load(feeder, bed.program.xdp(), FLOWS)?;
    let syn = frame::tcp("10.0.0.0:1024".parse()?, service, Segment::Syn)?;
    run(feed.xdp()?, &syn, FLOWS, Action::Tx)?;
    // A connection made a moment ago is lost once another has taken its way.
    let displaced = {
        let counts = Counts::read(&bed.program.kernel)?;
        counts.of(Reason::FlowDisplacedStranger) + counts.of(Reason::FlowDisplacedProven)
    };
    Ok(FLOWS - u32::try_from(displaced)?)
}
