//! `limpet explain`: which backend a client gets, and why.

use std::{path::Path, process::ExitCode};

use super::ask::ask;
use crate::{
    api::{Client, ExplainQuery},
    cli::ExplainArgs,
    view,
};

/// Prints what the daemon at `socket` would do with a client; exit code 1 if it knows no such service.
///
/// # Errors
/// When the daemon can't be asked or the answer can't be printed.
pub fn run(socket: &Path, args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(socket);
    let query = ExplainQuery {
        service: args.service.clone(),
        client: args.client.map(|client| client.address),
        service_port: args.service_port,
        port: args.client.and_then(|client| client.port),
        cookie: args.cookie.clone(),
        header: args.header.clone(),
        path: args.path.clone(),
    };
    ask(client.explain(&query), args.json, view::explain)
}
