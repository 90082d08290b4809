//! `limpet demo`.

use std::process::ExitCode;

use anyhow::Result;

use crate::{cli::DemoArgs, demo, lab};

/// Gives the show, or plays the part of one of its servers. Brings its own runtimes: must not be called
/// from inside one.
pub fn run(args: &DemoArgs) -> Result<ExitCode> {
    let Some(name) = &args.serve else {
        return Ok(if demo::run(args.once)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(lab::serve(name, &args.ports))?;
    Ok(ExitCode::SUCCESS)
}
