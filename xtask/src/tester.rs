//! The programs of `limpet-tests`, which run as root on a packet program of their own.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    bpf, build, rights,
    setup::{self, Tell},
    workspace::{self, Workspace},
};

/// What to measure or play.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Arguments of the program; --help lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}

/// A program.
#[derive(Clone, Copy)]
pub(crate) enum Tester {
    Bench,
    BenchControl,
    BenchHttp,
    BenchPath,
    Flood,
    Fuzz,
    LongRun,
    Million,
}

impl Tester {
    const fn name(self) -> &'static str {
        match self {
            Self::Bench => "bench",
            Self::BenchControl => "bench_control",
            Self::BenchHttp => "bench_http",
            Self::BenchPath => "bench_path",
            Self::Flood => "flood",
            Self::Fuzz => "fuzz",
            Self::LongRun => "long_run",
            Self::Million => "million",
        }
    }

    /// Whether it is told where `limpet` is.
    const fn wants_limpet(self) -> bool {
        matches!(self, Self::BenchControl | Self::BenchHttp | Self::BenchPath | Self::LongRun | Self::Million)
    }

    /// Builds what it needs, then becomes it. Returns only if something failed.
    pub(crate) fn run(self, workspace: &Workspace, args: &Args) -> Result<()> {
        let mut words: Vec<OsString> = Vec::new();
        if matches!(self, Self::Bench | Self::BenchPath | Self::Flood) {
            words.extend(["--feeder".into(), bpf::feeder(workspace).into_os_string()]);
        }
        if self.wants_limpet() {
            let limpet = build::limpet(workspace, &build::Args::default())?;
            words.extend(["--limpet".into(), limpet.into_os_string()]);
        }
        words.extend_from_slice(&args.args);
        let tools = setup::bpf_tools(workspace, Tell::Changes)?;
        build::packet_program(workspace, &tools, false)?;
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--release", "--package=limpet-tests", "--bin", self.name()]);
        let program = workspace::executable(&mut cargo, self.name())?;
        match self {
            Self::BenchHttp | Self::BenchPath => setup::for_test(Tell::Changes)?,
            _ => setup::for_run(Tell::Changes)?,
        }
        Err(rights::exec_as_root(&program, &words))
    }
}
