//! `cargo xtask bench`: measures the packet program in the kernel.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    bpf, build, rights,
    setup::{self, Tell},
    workspace::{self, Workspace},
};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the benchmark
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Returns only if something failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let tools = setup::bpf_tools(workspace, Tell::Changes)?;
    build::packet_program(workspace, &tools, false)?;
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--release", "--package=limpet-tests", "--bin=bench"]);
    let bench = workspace::executable(&mut cargo, "bench")?;
    setup::for_run(Tell::Changes)?;
    let mut words = vec!["--feeder".into(), bpf::feeder(workspace).into_os_string()];
    words.extend_from_slice(&args.args);
    Err(rights::exec_as_root(&bench, &words))
}
