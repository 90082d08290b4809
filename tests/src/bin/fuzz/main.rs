//! The long round of the fuzzer: `cargo xtask fuzz`.

use std::process::ExitCode;

use clap::Parser as _;
use limpet_tests::packets::{fuzz::Fuzz, kernel::pin_to};

/// Packets between two lines on the way.
const LINE: u64 = 1_000_000;

/// Plays generated packets through the packet program and the host engine, which must agree.
#[derive(clap::Parser)]
struct Args {
    /// How many packets
    #[arg(long, default_value_t = 10_000_000)]
    packets: u64,
    /// The first history's seed, the next one's is one more; drawn by lot if not given
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // The first CPU's walk over source ports starts where the host engine's does.
    pin_to(0);
    let mut fuzz = Fuzz::new();
    let first = args.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("seeds from {first} on: --seed {first} plays the same packets");
    let result = fuzz.corpus().and_then(|()| {
        let mut line = LINE;
        for seed in first.. {
            if fuzz.packets() >= args.packets {
                break;
            }
            fuzz.play(seed)?;
            if fuzz.packets() >= line {
                println!("{} packets, seed {seed}", fuzz.packets());
                line += LINE;
            }
        }
        Ok(())
    });
    print!("{}", fuzz.summary());
    match result {
        Ok(()) => {
            if !fuzz.missed().is_empty() {
                println!("no packet reached: {}", fuzz.missed().join(", "));
            }
            ExitCode::SUCCESS
        }
        Err(found) => {
            println!("\nDISAGREEMENT, {found}");
            ExitCode::FAILURE
        }
    }
}
