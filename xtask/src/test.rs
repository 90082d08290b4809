//! `cargo xtask test`: every check, from what needs least to what needs most.

use std::{ffi::OsString, process::Command};

use anyhow::{Result, bail, ensure};

use crate::{
    bpf, build, process, rights,
    setup::{self, BpfTools, Tell},
    workspace::Workspace,
};

/// What to test.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Stop after what needs neither root nor a BPF toolchain
    #[arg(long)]
    host: bool,
    /// Only tests with this in their name; leaves out the lints
    filter: Option<OsString>,
    /// After `--`: arguments of the test programs
    #[arg(last = true)]
    args: Vec<OsString>,
}

/// How a rung ended.
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// What ran so far.
#[derive(Default)]
struct Summary {
    rungs: Vec<(&'static str, Outcome)>,
}

/// Runs all rungs, whatever becomes of the earlier ones; an error if one failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let mut summary = Summary::default();
    if args.filter.is_none() {
        heading("lints", "needs rustfmt and clippy");
        summary.add("lints", lints(workspace));
    }
    heading("host", "needs nothing");
    summary.add("host", host(workspace, args).into());
    if !args.host {
        heading("packet program", "needs a BPF toolchain");
        let tools = packet_program(workspace);
        let is_built = tools.is_ok();
        let linted = tools.and_then(|tools| packet_lints(workspace, args, &tools));
        summary.add("packet program", linted.into());
        heading("kernel, namespaces", "needs root, nginx and other programs");
        summary.add("kernel, namespaces", kernel(workspace, args, is_built));
    }
    summary.print();
    summary.verdict()
}

/// Release whose formatter and lints the code follows. Others differ in what they ask for.
const LINTS_OF: &str = "1.95.";

fn lints(workspace: &Workspace) -> Outcome {
    let release = match setup::linters(Tell::Changes) {
        Ok(release) => release,
        Err(error) => return Err(error).into(),
    };
    let format = execute(workspace.cargo().args(["fmt", "--all", "--check"]));
    let clippy = ["clippy", "--workspace", "--exclude=lb-ebpf", "--all-targets", "--", "-D", "warnings"];
    let outcome = format.and(execute(workspace.cargo().args(clippy)));
    match outcome {
        Err(error) if !release.starts_with(LINTS_OF) => Outcome::Skipped(format!(
            "the code follows the lints of Rust {LINTS_OF}x; those of {release} say otherwise ({error:#})"
        )),
        outcome => outcome.into(),
    }
}

fn host(workspace: &Workspace, args: &Args) -> Result<()> {
    execute(args.apply(workspace.cargo().arg("test")))
}

fn packet_program(workspace: &Workspace) -> Result<BpfTools> {
    let tools = setup::bpf_tools(workspace, Tell::Changes)?;
    build::packet_program(workspace, &tools, false)?;
    Ok(tools)
}

fn packet_lints(workspace: &Workspace, args: &Args, tools: &BpfTools) -> Result<()> {
    if args.filter.is_some() {
        return Ok(());
    }
    let toolchain = &tools.toolchain;
    ensure!(tools.has_clippy, "no clippy in {toolchain}; add it by hand");
    bpf::clippy(workspace, tools)
}

fn kernel(workspace: &Workspace, args: &Args, is_built: bool) -> Outcome {
    let reason = if !is_built {
        "there is no packet program"
    } else if !rights::is_root() {
        "needs root: sudo -E env PATH=\"$PATH\" cargo xtask test"
    } else {
        let run = || {
            setup::for_test(Tell::Changes)?;
            let limpet = build::host(workspace, true)?;
            let mut cargo = workspace.cargo();
            cargo
                .args(["test", "--package=limpet-tests"])
                .env("LIMPET_BIN", limpet)
                .env("LIMPET_FEEDER", bpf::feeder(workspace));
            execute(args.apply(&mut cargo))
        };
        return run().into();
    };
    eprintln!("SKIPPED: {reason}");
    if rights::is_ci() {
        Outcome::Failed(format!("may not be skipped under CI: {reason}"))
    } else {
        Outcome::Skipped(reason.to_owned())
    }
}

impl Args {
    /// Hands the filter and the test programs' arguments to `cargo test`.
    fn apply<'a>(&self, cargo: &'a mut Command) -> &'a mut Command {
        cargo.args(&self.filter);
        if !self.args.is_empty() {
            cargo.arg("--").args(&self.args);
        }
        cargo
    }
}

impl From<Result<()>> for Outcome {
    fn from(result: Result<()>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(error) => Self::Failed(format!("{error:#}")),
        }
    }
}

impl Summary {
    fn add(&mut self, rung: &'static str, outcome: Outcome) {
        self.rungs.push((rung, outcome));
    }

    fn print(&self) {
        heading("summary", "");
        for (rung, outcome) in &self.rungs {
            match outcome {
                Outcome::Passed => println!("{rung:<20} passed"),
                Outcome::Failed(why) => println!("{rung:<20} FAILED: {why}"),
                Outcome::Skipped(why) => println!("{rung:<20} SKIPPED: {why}"),
            }
        }
    }

    fn verdict(&self) -> Result<()> {
        let failed: Vec<_> = self
            .rungs
            .iter()
            .filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
            .map(|(rung, _)| *rung)
            .collect();
        if failed.is_empty() {
            return Ok(());
        }
        bail!("failed: {}", failed.join("; "));
    }
}

/// Says what is run, and runs it.
fn execute(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", process::show(command));
    process::run(command)
}

fn heading(rung: &str, needs: &str) {
    println!("\n== {rung} == {needs}");
}
