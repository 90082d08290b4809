//! `cargo xtask long-run`: clients that come and stay for minutes, while backends and the daemon come and go.

use std::ffi::OsString;

use anyhow::Result;

use crate::{build, tester, workspace::Workspace};

/// How long, and how many.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the run: --minutes, --clients, --seed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Returns only if something failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let limpet = build::limpet(workspace, &build::Args::default())?;
    let mut words = vec!["--limpet".into(), limpet.into_os_string()];
    words.extend_from_slice(&args.args);
    tester::run(workspace, "long_run", &["--release"], &words)
}
