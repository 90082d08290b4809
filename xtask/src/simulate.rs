//! `cargo xtask simulate`: many nodes, and what breaks when nodes and backends come and go.

use std::{ffi::OsString, process::Command};

use anyhow::Result;

use crate::{
    process,
    workspace::{self, Workspace},
};

/// What to simulate.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the simulation
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Needs neither root nor a packet program.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package=limpet-simulate", "--bin", "simulate"]);
    let program = workspace::executable(&mut cargo, "simulate")?;
    process::run(Command::new(program).args(&args.args))
}
