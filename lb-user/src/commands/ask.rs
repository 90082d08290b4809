//! What the commands that ask the daemon have in common: a runtime for the call, and how answers are printed.

use std::{
    future::Future,
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use anyhow::Context;
use serde::Serialize;

use crate::{api::CallError, view};

/// Makes the call and prints the answer, for people by `render` or as JSON.
///
/// A refusal goes to standard error, or as JSON to standard output, and gives exit code 1.
pub(super) fn ask<T: Serialize>(
    call: impl Future<Output = Result<T, CallError>>,
    json: bool,
    render: impl FnOnce(&T, &mut Vec<u8>) -> io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let answer = runtime.enable_all().build().context("cannot start")?.block_on(call);
    let mut text = Vec::new();
    match answer {
        Ok(answer) if json => print(&as_json(&answer)?)?,
        Ok(answer) => {
            render(&answer, &mut text)?;
            print(&text)?;
        }
        Err(CallError::Refused(refusal)) => {
            if json {
                print(&as_json(&refusal)?)?;
            } else {
                view::refusal(&refusal, &mut io::stderr())?;
            }
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(answer: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(answer)?;
    text.push(b'\n');
    Ok(text)
}

/// To standard output, at once. A reader that has seen enough, such as `head`, is no error.
pub(super) fn print(text: &[u8]) -> anyhow::Result<()> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot print"),
        _ => Ok(()),
    }
}
