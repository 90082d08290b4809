//! The simulation as a program: `cargo xtask simulate`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use simulate::{
    design::HashBy,
    ecmp, plot,
    report::Report,
    scenario::{self, Scenario},
    tables,
    world::Settings,
};

/// Plays changes of nodes and backends against several kinds of balancer, and counts what breaks.
#[derive(clap::Parser)]
#[command(name = "cargo xtask simulate")]
struct Args {
    /// Of everything that is drawn by lot: the same figures each time
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Clients at any time; tables, rates and floods are made smaller with them
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=32_000))]
    sessions: u32,
    /// What becomes of the others when a node comes or goes
    #[arg(long, value_enum, default_value_t = ecmp::Kind::Resilient)]
    ecmp: ecmp::Kind,
    /// What the router picks nodes by
    #[arg(long, value_enum, default_value_t = ecmp::By::Tuple)]
    ecmp_by: ecmp::By,
    /// What balancers without sessions hash
    #[arg(long, value_enum, default_value_t = HashBy::Address)]
    hash_by: HashBy,
    /// Only this scenario; may be given several times
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a picture (SVG) to this file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Compare slot tables with Maglev's instead
    #[arg(long)]
    tables: bool,
}

/// Tables of each kind that are compared.
const SEEDS: u64 = 5;

fn main() -> Result<()> {
    let args = Args::parse();
    if args.tables {
        return compare(args.json);
    }
    let settings = Settings {
        seed: args.seed,
        sessions: args.sessions,
        ecmp: (args.ecmp_by, args.ecmp),
        hash_by: args.hash_by,
    };
    let report = Report::run(&settings, &chosen(&args.scenarios)?)?;
    if let Some(file) = &args.plot {
        fs::write(file, plot::svg(&report)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

fn compare(json: bool) -> Result<()> {
    let cases = tables::compare(SEEDS);
    if json {
        println!("{}", serde_json::to_string_pretty(&cases)?);
    } else {
        println!("{}", tables::head());
        cases.iter().for_each(|case| println!("{case}"));
    }
    Ok(())
}

/// The scenarios of these names; all, if there is none.
fn chosen(names: &[String]) -> Result<Vec<Scenario>> {
    let mut all = scenario::all();
    let known: Vec<_> = all.iter().map(|scenario| scenario.name).collect();
    for name in names {
        ensure!(known.contains(&&**name), "no scenario `{name}`; there are: {}", known.join(", "));
    }
    all.retain(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name));
    Ok(all)
}
