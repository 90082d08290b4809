//! `limpet backend`: change what a backend may be given, while the daemon runs.

use std::{
    io::{self, Write},
    mem,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use super::ask::ask;
use crate::{
    api::{Backend, BackendAction, BackendOrder, BackendState, CallError, Client, Drain, Refusal},
    cli::{AddArgs, BackendArgs, BackendCommand, ChangeArgs, DrainArgs, Target, WeightArgs},
    view,
};

/// Exit code: the drain is over, and somebody was still there.
const SOME_LEFT: u8 = 3;
/// How often a drain is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Carries out the order and prints what changed; exit code 1 if the daemon refused, 3 if a drain that was waited for
/// ended with somebody left.
///
/// # Errors
/// When the daemon can't be told or the answer can't be printed.
pub fn run(socket: &Path, args: &BackendArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(socket);
    let order = |change: &ChangeArgs, action| BackendOrder {
        service: change.target.service.clone(),
        backend: change.target.backend.clone(),
        action,
        deadline_s: None,
        weight: None,
        address: None,
        port: None,
    };
    let (change, order, waits) = match &args.action {
        BackendCommand::Drain(DrainArgs { change, deadline, wait }) => {
            let deadline_s = deadline.map(|deadline| deadline.as_secs_f64().ceil() as u64);
            (change, BackendOrder { deadline_s, ..order(change, BackendAction::Drain) }, *wait)
        }
        BackendCommand::Weight(WeightArgs { change, weight }) => {
            (change, BackendOrder { weight: Some(*weight), ..order(change, BackendAction::Weight) }, false)
        }
        BackendCommand::Add(AddArgs { change, address, port, weight }) => {
            let order = order(change, BackendAction::Add);
            (change, BackendOrder { address: Some(*address), port: *port, weight: *weight, ..order }, false)
        }
        BackendCommand::Remove(change) => (change, order(change, BackendAction::Remove), false),
        BackendCommand::Disable(change) => (change, order(change, BackendAction::Disable), false),
        BackendCommand::Enable(change) => (change, order(change, BackendAction::Enable), false),
        BackendCommand::Reset(change) => (change, order(change, BackendAction::Reset), false),
    };
    let done = ask(client.backend(&order), change.json, view::backend)?;
    if !waits || done != ExitCode::SUCCESS {
        return Ok(done);
    }
    let mut is_empty = false;
    let watched = async {
        let last = watch(&client, &change.target).await?;
        is_empty = is_over(&last);
        Ok(last)
    };
    let done = ask(watched, false, view::drained)?;
    Ok(if is_empty || done != ExitCode::SUCCESS { done } else { ExitCode::from(SOME_LEFT) })
}

/// Nobody is left, as far as can be known, and nobody was cut off.
fn is_over(backend: &Backend) -> bool {
    let is_empty = |drain: Drain| (drain.sessions, drain.flows, drain.unseen_s) == (0, 0, 0);
    backend.drain.is_some_and(|drain| drain.cut.is_none() && is_empty(drain))
}

/// Prints a line whenever something changed, until nobody is left on the backend or it is not to be drained any more;
/// returns how it was then.
async fn watch(client: &Client, target: &Target) -> Result<Backend, CallError> {
    let mut last = None;
    loop {
        let found = find(client, target).await?;
        let order = found.runtime.and_then(|change| change.state);
        let Some(drain) = found.drain.filter(|_| order == Some(BackendState::Draining)) else {
            return Ok(found);
        };
        if is_over(&found) {
            return Ok(found);
        }
        let seen = (drain.sessions, drain.flows, drain.unseen_s > 0, mem::discriminant(&drain.forecast));
        if last.replace(seen) != Some(seen) {
            // Whoever looks no longer is no reason to stop waiting.
            let _gone = view::draining(&found, &mut io::stdout()).and_then(|()| io::stdout().flush());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn find(client: &Client, Target { service, backend }: &Target) -> Result<Backend, CallError> {
    let status = client.status().await?;
    let services = status.services.into_iter().filter(|it| it.name == *service);
    let found = services.flat_map(|it| it.backends).find(|it| it.name == *backend);
    found.ok_or_else(|| Refusal::not_found(format!("{service}/{backend} has left the configuration")).into())
}
