//! Measures the HTTP tier beside HAProxy and nginx: the same clients, backends and CPUs, in the same run, by turns.
//! `cargo xtask bench-http` builds it and what it needs.
//!
//! The machine's speed changes from minute to minute, so all systems are there at the same time and take turns within
//! each round, and what is compared is of the same round.

mod cookies;
mod scenario;
mod servers;
mod site;
mod system;
mod table;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use limpet_tests::{cpu, stop::Stop};
use serde_json::json;

use crate::{
    scenario::Scenario,
    site::{Cpus, Site},
    system::System,
    table::{Series, Table},
};

/// Measures the HTTP tier: requests a second, latencies and CPU time, beside HAProxy and nginx.
#[derive(clap::Parser)]
struct Args {
    /// Write the figures to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Times everything is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds that each system has in each scenario of a round
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Only scenarios with this in their name; may be given several times
    #[arg(long)]
    only: Vec<String>,
    /// Connections that clients have open at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// CPUs of the system that is measured, which has so many threads; clients and backends have the others
    #[arg(long, default_value_t = 1)]
    cpus: usize,
    /// Another `limpet` to measure beside the first; may be given several times
    #[arg(long, value_name = "LIMPET")]
    beside: Vec<PathBuf>,
    /// The `limpet` to measure
    #[arg(long, hide = true)]
    limpet: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let stop = Stop::on_signals()?;
    let wanted = |scenario: &Scenario| {
        args.only.is_empty() || args.only.iter().any(|word| scenario.name().contains(word.as_str()))
    };
    let scenarios: Vec<_> = Scenario::ALL.into_iter().filter(wanted).collect();
    ensure!(!scenarios.is_empty(), "no scenario has such a name; they are: {}", Scenario::names());
    let cpus = Cpus::split(&cpu::ours()?, args.cpus)?;
    let limpets = [&args.limpet].into_iter().chain(&args.beside).enumerate();
    let sites = limpets.map(|(number, limpet)| Site::new(cpus.clone(), limpet, number == 0));
    let sites: Vec<_> = sites.collect::<Result<_>>()?;

    let table = measure(&sites, &scenarios, &args, &stop)?;
    table.print();
    if let Some(path) = &args.json {
        let all = json!({
            "version": 1, "rounds": args.rounds, "seconds": args.seconds, "connections": args.connections,
            "cpus": args.cpus, "figures": table.json(),
        });
        fs::write(path, format!("{all:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn measure(sites: &[Site], scenarios: &[Scenario], args: &Args, stop: &Stop) -> Result<Table> {
    let mut systems = Vec::new();
    for (number, site) in (0..).zip(sites) {
        systems.extend(site.others().chain([System::Limpet(number)]).map(|system| (system, site)));
    }
    let mut table = Vec::new();
    for scenario in scenarios {
        table.extend(systems.iter().map(|(system, _)| Series::new(*scenario, *system)));
    }
    for round in 0..args.rounds {
        for &scenario in scenarios {
            // Each in turn, another first in each round.
            let mut turns = systems.clone();
            turns.rotate_left(round as usize % systems.len());
            for (system, site) in turns {
                stop.check()?;
                let sample = site.measure(system, scenario, args.connections, args.seconds)?;
                let series = table.iter_mut().find(|series| series.is_of(scenario, system));
                series.expect("made above").samples.push(sample);
            }
        }
    }
    Ok(Table(table))
}
