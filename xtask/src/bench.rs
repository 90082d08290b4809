//! `cargo xtask bench`: measures the packet program in the kernel.

use std::ffi::OsString;

use anyhow::Result;

use crate::{bpf, tester, workspace::Workspace};

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the benchmark
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Returns only if something failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let mut words = vec!["--feeder".into(), bpf::feeder(workspace).into_os_string()];
    words.extend_from_slice(&args.args);
    tester::run(workspace, "bench", &["--release"], &words)
}
