//! `cargo xtask fuzz`: generated packets through the packet program and the host engine.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build, rights,
    setup::{self, Tell},
    workspace::{self, Workspace},
};

/// How long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the fuzzer: --packets N, --seed N
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Returns only if something failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let tools = setup::bpf_tools(workspace, Tell::Changes)?;
    build::packet_program(workspace, &tools, false)?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package=limpet-tests", "--bin=fuzz"]);
    let fuzz = workspace::executable(&mut cargo, "fuzz")?;
    setup::for_run(Tell::Changes)?;
    Err(rights::exec_as_root(&fuzz, &args.args))
}
