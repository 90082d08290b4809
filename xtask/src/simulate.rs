//! `cargo xtask simulate`: many nodes, and what breaks when nodes and backends come and go.

use std::process::Command;

use anyhow::Result;

use crate::{
    process,
    tester::Args,
    workspace::{self, Workspace},
};

/// Needs neither root nor a packet program.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package=limpet-simulate", "--bin", "simulate"]);
    let program = workspace::executable(&mut cargo, "simulate")?;
    process::run(Command::new(program).args(&args.args))
}
