//! Everything that is more than `cargo X`: each subcommand is a file, and CI calls the same ones.

mod bpf;
mod budget;
mod build;
mod linker;
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

use crate::{tester::Tester, workspace::Workspace};

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
    Bench(tester::Args),
    /// Measure the daemon: starts, changes, failovers, health checks and memory
    BenchControl(tester::Args),
    /// Measure the HTTP tier, beside HAProxy and nginx in the same topology
    BenchHttp(tester::Args),
    /// Measure whole paths, beside the kernel, nftables and HAProxy in the same topology
    BenchPath(tester::Args),
    /// Measure all that a limit was promised for, and print what keeps it; a quarter of an hour
    Budget(budget::Args),
    /// Play millions of generated packets through the packet program and the host engine
    Fuzz(tester::Args),
    /// Flood the packet program from invented addresses, and see who is lost
    Flood(tester::Args),
    /// Measure what operators wait for with a million live sessions
    Million(tester::Args),
    /// Make faults in the code that decides, one after the other, and see that tests find each
    Mutate(mutate::Args),
    /// Let clients come and stay for ten minutes, while backends and the daemon come and go
    LongRun(tester::Args),
    /// Play changes of nodes and backends behind one router, and count what breaks
    Simulate(tester::Args),
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
        Command::Bench(args) => Tester::Bench.run(&workspace, &args),
        Command::BenchControl(args) => Tester::BenchControl.run(&workspace, &args),
        Command::BenchHttp(args) => Tester::BenchHttp.run(&workspace, &args),
        Command::BenchPath(args) => Tester::BenchPath.run(&workspace, &args),
        Command::Budget(args) => budget::run(&workspace, &args),
        Command::Fuzz(args) => Tester::Fuzz.run(&workspace, &args),
        Command::Flood(args) => Tester::Flood.run(&workspace, &args),
        Command::Million(args) => Tester::Million.run(&workspace, &args),
        Command::Mutate(args) => mutate::run(&workspace, &args),
        Command::LongRun(args) => Tester::LongRun.run(&workspace, &args),
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
