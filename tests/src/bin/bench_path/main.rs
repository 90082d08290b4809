//! Measures whole paths, from clients to backends: Limpet beside what else could be in its place, in the same topology, in
//! the same run, by turns. `cargo xtask bench-path` builds it and what it needs.
//!
//! The machine's speed changes from minute to minute, so all systems are there at the same time and take turns within
//! each round, and what is compared is of the same round.

mod balancers;
mod connection_table;
mod connections;
mod interfaces;
mod network;
mod packet_table;
mod packets;
mod plan;
mod programs;
mod servers;
mod system;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser as _;
use limpet_tests::{cpu, stop::Stop};
use serde_json::json;

use crate::{balancers::Balancers, connections::Stage, network::Network, packets::Lanes, system::System};

/// Measures whole paths: packets and connections a second, beside the kernel, nftables and HAProxy.
#[derive(clap::Parser)]
struct Args {
    /// Write the figures to this file, too
    #[arg(long)]
    json: Option<PathBuf>,
    /// Times everything is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Frames of one measurement, from each CPU
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    packets: u32,
    /// Seconds that each system gets connections in a round; 0: none
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Object file of the programs at the ends
    #[arg(long, hide = true)]
    feeder: PathBuf,
    /// The `limpet` to measure
    #[arg(long, hide = true)]
    limpet: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let stop = Stop::on_signals()?;
    let cpus = cpu::ours()?;
    // The last one: interrupts mostly go to the first.
    let mut sets = vec![vec![*cpus.last().context("no CPU")?]];
    if let [first, second, ..] = cpus[..] {
        sets.push(vec![first, second]);
    }
    let queues = cpus.iter().max().map_or(1, |last| last + 1);
    ensure!(queues <= 16, "addresses are planned for 16 CPUs; choose some by `taskset`");
    let network = Network::new(queues)?;
    let balancers = Balancers::start(&network, &args.limpet)?;

    let lanes = Lanes::open(&network, &balancers, &args.feeder, &cpus)?;
    let packets = measure_packets(&lanes, &sets, &args, &stop)?;
    drop(lanes);
    packets.print();
    let connections = if args.seconds > 0 {
        let stage = Stage::new(&network, &balancers, &args.feeder, &cpus)?;
        measure_connections(&stage, &sets, &args, &stop)?
    } else {
        connection_table::Table(Vec::new())
    };
    connections.print();
    println!();
    let budgets: Vec<_> = packets.budgets().into_iter().chain(connections.budgets()).collect();
    for budget in &budgets {
        println!("{budget}");
    }
    if let Some(path) = &args.json {
        let all = json!({
            "version": 2, "rounds": args.rounds, "packets": packets.json(), "connections": connections.json(),
            "budgets": budgets,
        });
        fs::write(path, format!("{all:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(series) = packets.0.iter().find(|series| !series.delivered()) {
        bail!("{}: more than 1 % of its frames of {} bytes were lost", series.system.name(), series.size);
    }
    Ok(())
}

/// Each system in turn, another first in each round.
fn turns<T: Copy>(all: &[T], round: u32) -> Vec<T> {
    let mut turns = all.to_vec();
    turns.rotate_left(round as usize % all.len());
    turns
}

fn measure_packets(
    lanes: &Lanes<'_>,
    sets: &[Vec<usize>],
    args: &Args,
    stop: &Stop,
) -> Result<packet_table::Table> {
    let mut table = Vec::new();
    for size in packets::SIZES {
        for set in sets {
            table.extend(System::OF_PACKETS.map(|system| packet_table::Series {
                system,
                size,
                cpus: set.len(),
                samples: Vec::new(),
            }));
        }
    }
    for round in 0..args.rounds {
        for size in packets::SIZES {
            for set in sets {
                for system in turns(&System::OF_PACKETS, round) {
                    stop.check()?;
                    let sample = lanes.measure(system, size, set, args.packets)?;
                    let series = table.iter_mut().find(|series| {
                        (series.system, series.size, series.cpus) == (system, size, set.len())
                    });
                    series.expect("made above").samples.push(sample);
                }
            }
        }
    }
    Ok(packet_table::Table(table))
}

fn measure_connections(
    stage: &Stage<'_>,
    sets: &[Vec<usize>],
    args: &Args,
    stop: &Stop,
) -> Result<connection_table::Table> {
    let mut table = Vec::new();
    for set in sets {
        table.extend(System::OF_CONNECTIONS.map(|system| connection_table::Series {
            system,
            cpus: set.len(),
            samples: Vec::new(),
        }));
    }
    for round in 0..args.rounds {
        for set in sets {
            for system in turns(&System::OF_CONNECTIONS, round) {
                stop.check()?;
                let sample = stage.measure(system, set, args.seconds)?;
                let series =
                    table.iter_mut().find(|series| (series.system, series.cpus) == (system, set.len()));
                series.expect("made above").samples.push(sample);
            }
        }
    }
    Ok(connection_table::Table(table))
}
