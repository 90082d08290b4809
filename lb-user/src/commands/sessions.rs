//! `limpet sessions`: what is stored, listed and forgotten.

use std::{path::Path, process::ExitCode};

use super::ask::ask;
use crate::{
    api::{Client, SessionFilter},
    cli::{DropArgs, FilterArgs, ListArgs, SessionsArgs, SessionsCommand},
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
        SessionsCommand::Drop(DropArgs { filter: which, json }) => {
            ask(client.drop_sessions(&filter(which)), *json, view::dropped)
        }
    }
}

fn filter(FilterArgs { service, client, backend }: &FilterArgs) -> SessionFilter {
    SessionFilter {
        service: service.clone(),
        client: *client,
        backend: backend.clone(),
        ..SessionFilter::default()
    }
}
