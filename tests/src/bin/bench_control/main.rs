//! What the daemon costs beside packets: starts, changes, failovers, health checks, memory. `cargo xtask bench-control`
//! builds it and what it needs.
//!
//! Every figure is of the real `limpet run` with a real file, in the balancer's namespace of a lab. What many sessions
//! cost is the business of `million`.

mod change;
mod checks;
mod failover;
mod limpet;
mod memory;
mod report;
mod site;
mod start;
mod watch;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser as _;

use crate::report::{HEADING, Report};

/// Measures the daemon.
#[derive(clap::Parser)]
struct Args {
    /// These scenarios only
    #[arg(long)]
    only: Vec<Scenario>,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Tiny sizes and no budgets: does everything still run?
    #[arg(long)]
    small: bool,
    /// The `limpet` to measure
    #[arg(long, hide = true)]
    limpet: PathBuf,
}

/// What is measured, a file each.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Scenario {
    /// From exec to the first packet that is let in
    Start,
    /// One backend among many
    Change,
    /// A backend dies under traffic
    Failover,
    /// CPU time of health checks
    Checks,
    /// Bytes in the kernel and in the daemon
    Memory,
}

impl Scenario {
    const ALL: [Self; 5] = [Self::Start, Self::Change, Self::Failover, Self::Checks, Self::Memory];

    const fn title(self) -> &'static str {
        match self {
            Self::Start => {
                "start: `ready` is when tables are full, addresses are claimed and packets are let in, from exec; \
                 `whole` is when status shows all with their next hops"
            }
            Self::Change => "change: from a command to its answer, the command's own start included",
            Self::Failover => {
                "failover: from the refusal that tips the balance, as it leaves the backend, to the last packet that \
                 arrives there; a packet to it each 0.2 ms or so"
            }
            Self::Checks => {
                "checks: all backends up; what the kernel does on the daemon's behalf is the daemon's"
            }
            Self::Memory => {
                "memory: `kernel` is what the maps are charged (memlock), `daemon` what is its own (RssAnon)"
            }
        }
    }

    fn measure(self, setup: &Setup, report: &mut Report) -> Result<()> {
        match self {
            Self::Start => start::measure(setup, report),
            Self::Change => change::measure(setup, report),
            Self::Failover => failover::measure(setup, report),
            Self::Checks => checks::measure(setup, report),
            Self::Memory => memory::measure(setup, report),
        }
    }
}

/// What all scenarios need to know.
struct Setup {
    limpet: PathBuf,
    small: bool,
}

impl Setup {
    /// What there is for true, or for a look at whether it runs.
    const fn sized<T: Copy>(&self, whole: T, small: T) -> T {
        if self.small { small } else { whole }
    }
}

fn main() -> Result<()> {
    let Args { only, json, small, limpet } = Args::parse();
    let setup = Setup { limpet, small };
    let mut report = Report::new(!small);
    println!("{HEADING}");
    for scenario in Scenario::ALL.into_iter().filter(|it| only.is_empty() || only.contains(it)) {
        println!("{}", scenario.title());
        scenario.measure(&setup, &mut report)?;
    }
    if let Some(file) = json {
        fs::write(&file, format!("{:#}\n", report.json()))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
