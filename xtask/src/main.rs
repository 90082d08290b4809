//! Everything that is more than `cargo X`: each subcommand is a file, and CI calls the same ones.

mod bench;
mod bpf;
mod build;
mod flood;
mod fuzz;
mod linker;
mod long_run;
mod million;
mod mutate;
mod packages;
mod process;
mod rights;
mod run;
mod setup;
mod simulate;
mod test;
mod tester;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Builds, runs and tests Limpet
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find out what is there and install what is missing; the other subcommands do so when needed
    Setup,
    /// Build the packet program and the `limpet` that carries it
    Build(build::Args),
    /// Build `limpet`, then become it: the demo, or what the arguments say
    Run(run::Args),
    /// Lint and test, rung by rung: host, packet program, kernel and namespaces
    Test(test::Args),
    /// Measure the packet program in the kernel, as ratios to an empty one
    Bench(bench::Args),
    /// Play millions of generated packets through the packet program and the host engine
    Fuzz(fuzz::Args),
    /// Flood the packet program from invented addresses, and see who is lost
    Flood(flood::Args),
    /// Measure what operators wait for with a million live sessions
    Million(million::Args),
    /// Make faults in the code that decides, one after the other, and see that the model finds each
    Mutate(mutate::Args),
    /// Let clients come and stay for ten minutes, while backends and the daemon come and go
    LongRun(long_run::Args),
    /// Play changes of nodes and backends behind one router, and count what breaks
    Simulate(simulate::Args),
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    let workspace = Workspace::find()?;
    match command {
        Command::Setup => setup::run(&workspace),
        Command::Build(args) => build::run(&workspace, &args),
        Command::Run(args) => run::run(&workspace, &args),
        Command::Test(args) => test::run(&workspace, &args),
        Command::Bench(args) => bench::run(&workspace, &args),
        Command::Fuzz(args) => fuzz::run(&workspace, &args),
        Command::Flood(args) => flood::run(&workspace, &args),
        Command::Million(args) => million::run(&workspace, &args),
        Command::Mutate(args) => mutate::run(&workspace, &args),
        Command::LongRun(args) => long_run::run(&workspace, &args),
        Command::Simulate(args) => simulate::run(&workspace, &args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
