//! Floods the packet program with millions of packets from invented addresses, and says who was lost by it.
//! `cargo xtask flood` builds it and what it needs.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Parser as _;
use lb_common::state::Forwarding;
use limpet_tests::flood;

/// Floods the packet program and says who was lost.
#[derive(clap::Parser)]
struct Args {
    /// Packets of each kind
    #[arg(long, default_value_t = 20_000_000)]
    packets: u32,
    /// Object file of the feeder
    #[arg(long, hide = true)]
    feeder: PathBuf,
}

fn main() -> Result<ExitCode> {
    let Args { packets, feeder } = Args::parse();
    let limits = lb_user::config::parse("", "defaults")?.limits;
    let mut good = true;
    for forwarding in [Forwarding::Nat, Forwarding::NatPreserve, Forwarding::Dsr] {
        let outcome = flood::run(forwarding, &limits, packets, &feeder)?;
        good &= outcome.nobody_lost();
        println!("{outcome}");
    }
    println!("{}", flood::lru::run(limits.affinity + limits.pins, packets, &feeder)?);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
