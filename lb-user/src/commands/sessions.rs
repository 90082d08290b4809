//! `limpet sessions`: what is stored, listed and forgotten.

use std::{net::IpAddr, path::Path, process::ExitCode, time::SystemTime};

use super::ask::ask;
use crate::{
    api::{
        CallError, Client, CrowdQuery, ExplainQuery, MoveOrder, Refusal, SessionFilter, ShownSession,
        UndoOrder,
    },
    cli::{
        CrowdsArgs, DropArgs, FilterArgs, ListArgs, MoveArgs, MovesArgs, SessionsArgs, SessionsCommand,
        ShowArgs, UndoArgs,
    },
    view,
};

/// Lists or drops; exit code 1 if the daemon refused.
///
/// # Errors
/// When the daemon can't be told or the answer can't be printed.
pub fn run(socket: &Path, args: &SessionsArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(socket);
    match &args.action {
        SessionsCommand::List(ListArgs { filter: which, limit, after, json }) => {
            let filter = SessionFilter { limit: *limit, after: after.clone(), ..filter(which) };
            ask(client.list_sessions(&filter), *json, view::sessions)
        }
        SessionsCommand::Show(ShowArgs { client: address, service, json }) => {
            ask(show(&client, *address, service.as_ref()), *json, |shown, out| view::shown(shown, out))
        }
        SessionsCommand::Move(MoveArgs { filter, to, percent, rate, dry_run, json }) => {
            let order = MoveOrder {
                service: filter.service.clone(),
                client: filter.client,
                backend: filter.backend.clone(),
                to: to.clone(),
                percent: *percent,
                rate: *rate,
                dry_run: *dry_run,
            };
            ask(client.move_sessions(&order), *json, view::moving)
        }
        SessionsCommand::Moves(MovesArgs { json }) => ask(client.moves(), *json, view::moves),
        SessionsCommand::Undo(UndoArgs { id, json }) => {
            ask(client.undo(&UndoOrder { id: *id }), *json, view::undone)
        }
        SessionsCommand::Crowds(CrowdsArgs { service, share, json }) => {
            let query = CrowdQuery { service: service.clone(), share: *share };
            ask(client.crowds(&query), *json, view::crowds)
        }
        SessionsCommand::Drop(DropArgs { filter: which, json }) => {
            ask(client.drop_sessions(&filter(which)), *json, view::dropped)
        }
    }
}

/// A client's sessions, each with what is said about the client.
async fn show(
    client: &Client,
    address: IpAddr,
    service: Option<&String>,
) -> Result<Vec<ShownSession>, CallError> {
    let filter = SessionFilter {
        service: service.cloned(),
        client: Some(address.into()),
        limit: Some(SessionFilter::MOST),
        ..SessionFilter::default()
    };
    let mut shown = Vec::new();
    for session in client.list_sessions(&filter).await?.sessions {
        let query = ExplainQuery {
            service: session.service.clone(),
            client: Some(address),
            ..ExplainQuery::default()
        };
        let explanation = client.explain(&query).await?;
        shown.push(ShownSession::new(session, explanation, SystemTime::now()));
    }
    if shown.is_empty() {
        return Err(Refusal::not_found(format!("{address} has no session")).into());
    }
    Ok(shown)
}

fn filter(FilterArgs { service, client, backend }: &FilterArgs) -> SessionFilter {
    SessionFilter {
        service: service.clone(),
        client: *client,
        backend: backend.clone(),
        ..SessionFilter::default()
    }
}
