//! `cargo xtask run`: builds `limpet`, then becomes it.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    build, rights,
    setup::{self, Tell},
    workspace::Workspace,
};

/// How to build, and what to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    build: build::Args,
    /// After `--`: nothing for the demo, options for `limpet run`, or a subcommand of `limpet`
    #[arg(last = true)]
    args: Vec<OsString>,
}

/// Returns only if something failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let limpet = build::limpet(workspace, &args.build)?;
    setup::for_run(Tell::Changes)?;
    Err(rights::exec_as_root(&limpet, &route(&args.args)))
}

/// What `limpet` is told: the demo, unless asked for something; options alone are the daemon's.
fn route(args: &[OsString]) -> Vec<OsString> {
    let subcommand = match args.first() {
        None => Some("demo"),
        Some(first) if first.as_encoded_bytes().starts_with(b"-") => Some("run"),
        Some(_) => None,
    };
    subcommand.map(OsString::from).into_iter().chain(args.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(args: &[&str]) -> Vec<OsString> {
        route(&args.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn nothing_is_the_demo() {
        assert_eq!(routed(&[]), ["demo"]);
    }

    #[test]
    fn options_are_the_daemons() {
        assert_eq!(routed(&["--config", "F"]), ["run", "--config", "F"]);
    }

    #[test]
    fn a_subcommand_passes_as_it_is() {
        assert_eq!(routed(&["demo", "--once"]), ["demo", "--once"]);
        assert_eq!(routed(&["status"]), ["status"]);
    }
}
