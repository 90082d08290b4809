//! `cargo xtask fuzz`: generated packets through the packet program and the host engine.

use std::ffi::OsString;

use anyhow::Result;

use crate::{tester, workspace::Workspace};

/// How long.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the fuzzer: --packets N, --seed N
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Returns only if something failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    tester::run(workspace, "fuzz", &["--release"], &args.args)
}
