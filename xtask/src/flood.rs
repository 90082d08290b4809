//! `cargo xtask flood`: the flood test with all its packets.

use std::ffi::OsString;

use anyhow::Result;

use crate::{bpf, tester, workspace::Workspace};

/// How large a flood.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the flood
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Returns only if something failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let mut words = vec!["--feeder".into(), bpf::feeder(workspace).into_os_string()];
    words.extend_from_slice(&args.args);
    // The time goes into the packet program, which is always optimised.
    tester::run(workspace, "flood", &[], &words)
}
