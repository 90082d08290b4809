//! `limpet decap`: unwraps tunnelled packets on a backend.

use std::process::ExitCode;

use anyhow::Result;

use super::{ask::print, log};
use crate::{
    cli::DecapArgs,
    decap::{self, Figures},
    view,
};

/// Runs in the foreground until SIGTERM or Ctrl-C.
///
/// # Errors
/// See [`decap::run`], or what was counted can't be printed.
pub fn run(args: &DecapArgs) -> Result<ExitCode> {
    log::start();
    let report = |figures: &Figures| {
        let mut text = Vec::new();
        if args.json {
            serde_json::to_writer(&mut text, figures)?;
            text.push(b'\n');
        } else {
            view::decap(figures, &mut text)?;
        }
        print(&text)
    };
    tokio::runtime::Runtime::new()?.block_on(decap::run(args, report))?;
    Ok(ExitCode::SUCCESS)
}
