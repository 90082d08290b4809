//! `limpet plan`: what would a configuration file change, and for whom?

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;

use super::ask::ask;
use crate::{
    api::{Client, PlanQuery},
    cli::PlanArgs,
    view,
};

/// More sessions would move than allowed.
const TOO_MANY: u8 = 3;

/// Prints what the daemon at `socket` would change; exit code 1 if it would refuse the file, 3 if more sessions would
/// move than allowed.
///
/// # Errors
/// When the daemon can't be asked or the answer can't be printed.
pub fn run(socket: &Path, args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let config = std::path::absolute(&args.config).context("cannot tell where the file is")?;
    let client = Client::new(socket);
    let mut moved = 0;
    let query = PlanQuery { config };
    let call = async {
        let forecast = client.plan(&query).await?;
        moved = forecast.sessions.moved;
        Ok(forecast)
    };
    let code = ask(call, args.json, view::plan)?;
    match args.max_moved {
        Some(most) if moved > most && code == ExitCode::SUCCESS => {
            eprintln!("error: {moved} sessions would move, and at most {most} may");
            Ok(ExitCode::from(TOO_MANY))
        }
        _ => Ok(code),
    }
}
