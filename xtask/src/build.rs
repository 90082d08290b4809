//! `cargo xtask build`: the packet program, then the `limpet` that carries it.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    bpf,
    setup::{self, BpfTools, Tell},
    workspace::{self, Workspace},
};

/// How to build.
#[derive(clap::Args, Clone, Copy, Default)]
#[group(skip)]
pub(crate) struct Args {
    /// Build `limpet` unoptimised; the packet program is always optimised, as the verifier wants it
    #[arg(long)]
    debug: bool,
    /// Let the packet program log each verdict
    #[arg(long)]
    log: bool,
}

/// Builds, and says where the program is.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    println!("{}", limpet(workspace, args)?.display());
    Ok(())
}

/// Builds `limpet` as `args` say; returns its path.
pub(crate) fn limpet(workspace: &Workspace, args: &Args) -> Result<PathBuf> {
    let tools = setup::bpf_tools(workspace, Tell::Changes)?;
    packet_program(workspace, &tools, args.log)?;
    host(workspace, args.debug)
}

/// Builds the packet program, which [`host`] embeds.
pub(crate) fn packet_program(workspace: &Workspace, tools: &BpfTools, log: bool) -> Result<()> {
    bpf::build(workspace, tools, log)
}

/// Builds `limpet` around the packet program that is there; returns its path.
pub(crate) fn host(workspace: &Workspace, debug: bool) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package=lb-user", "--bin=limpet"]);
    if !debug {
        cargo.arg("--release");
    }
    workspace::executable(&mut cargo, "limpet")
}
