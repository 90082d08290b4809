//! `cargo xtask flood`: the flood test with all its packets.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    bpf, build, rights,
    setup::{self, Tell},
    workspace::{self, Workspace},
};

/// How large a flood.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the flood
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Returns only if something failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let tools = setup::bpf_tools(workspace, Tell::Changes)?;
    build::packet_program(workspace, &tools, false)?;
    let mut cargo = workspace.cargo();
    // The time goes into the packet program, which is always optimised.
    cargo.args(["build", "--package=limpet-tests", "--bin=flood"]);
    let flood = workspace::executable(&mut cargo, "flood")?;
    setup::for_run(Tell::Changes)?;
    let mut words = vec!["--feeder".into(), bpf::feeder(workspace).into_os_string()];
    words.extend_from_slice(&args.args);
    Err(rights::exec_as_root(&flood, &words))
}
