//! `limpet check`: is this configuration good?

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::json;

use crate::{
    cli::CheckArgs,
    config::{self, Errors},
    model::Model,
};

/// Validates the file and prints the outcome; exit code 1 when it has errors.
///
/// # Errors
/// When the outcome can't be printed.
pub fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let outcome = config::load(&args.config);
    let file = args.config.display().to_string();
    match (&outcome, args.json) {
        (outcome, true) => writeln!(io::stdout(), "{:#}", as_json(outcome))?,
        (Ok(model), false) => writeln!(io::stdout(), "{file}: ok: {}", summary(model))?,
        (Err(errors), false) => writeln!(io::stderr(), "{errors}")?,
    }
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `2 services, 5 backends`.
fn summary(model: &Model) -> String {
    let count = |number, what| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    format!("{}, {}", count(model.services.len(), "service"), count(backends(model), "backend"))
}

fn backends(model: &Model) -> usize {
    model.services.iter().map(|service| service.backends.len()).sum()
}

/// The counts are null where the file has errors.
fn as_json(outcome: &Result<Model, Errors>) -> serde_json::Value {
    let model = outcome.as_ref().ok();
    json!({
        "ok": model.is_some(),
        "errors": outcome.as_ref().err().map_or(&[][..], Errors::as_slice),
        "services": model.map(|model| model.services.len()),
        "backends": model.map(backends),
    })
}
