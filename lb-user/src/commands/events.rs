//! `limpet events`: broken promises, as they happen.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context as _;

use super::ask::print;
use crate::{
    api::{Broken, CallError, Client, EventQuery, Events},
    cli::EventsArgs,
    view,
};

/// Between two questions of `--follow`.
const PAUSE: Duration = Duration::from_millis(300);

/// Prints what there is, and with `--follow` what comes; exit code 1 if the daemon refused.
///
/// # Errors
/// When the daemon can't be asked or the answer can't be printed.
pub fn run(socket: &Path, args: &EventsArgs) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let client = Client::new(socket);
    let (mut after, mut run) = (0, None);
    loop {
        let Events { events, last, run: now } = match runtime.block_on(client.events(EventQuery { after })) {
            Ok(events) => events,
            // Between two runs of the daemon there is nothing to tell, also if one ends before it has answered.
            Err(CallError::NoDaemon(_) | CallError::Broken { .. }) if args.follow && run.is_some() => {
                Events::default()
            }
            Err(error) => return Err(error.into()),
        };
        if now != 0 {
            // Another daemon counts anew.
            let is_other = run.replace(now).is_some_and(|before| before != now);
            after = if is_other { 0 } else { last };
            if !is_other {
                print_all(&events, args)?;
            }
        }
        if !args.follow {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(PAUSE);
    }
}

fn print_all(events: &[Broken], args: &EventsArgs) -> anyhow::Result<()> {
    let wanted = |event: &&Broken| args.service.as_ref().is_none_or(|service| *service == event.service);
    let mut text = Vec::new();
    for event in events.iter().filter(wanted) {
        if args.json {
            serde_json::to_writer(&mut text, event)?;
            text.push(b'\n');
        } else {
            view::event(event, &mut text)?;
        }
    }
    print(&text)
}
