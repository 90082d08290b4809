//! Thousands of clients for minutes, while backends and the daemon come and go. `cargo xtask long-run` builds it and what it
//! needs.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Parser as _;
use limpet_tests::long::{Plan, run};

/// Looks for clients that notice what they should not, and for promises that are miscounted.
#[derive(clap::Parser)]
struct Args {
    /// How long
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// How many, at the beginning
    #[arg(long, default_value_t = 2_000)]
    clients: usize,
    /// Of everything that is left to chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The `limpet` to run
    #[arg(long, hide = true)]
    limpet: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let Args { minutes, clients, seed, limpet } = Args::parse();
    let plan = Plan { time: Duration::from_secs(60 * minutes), clients, pause: Duration::from_secs(3), seed };
    println!("{}", run(&limpet, plan).await?);
    Ok(ExitCode::SUCCESS)
}
