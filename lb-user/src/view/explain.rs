//! `limpet explain`.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use super::{table, words::time};
use crate::api::{Explanation, Session, Why};

/// Writes the sentences, then the facts as a table.
///
/// # Errors
/// When the text can't be written.
pub fn render(explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    let Explanation { text, backend, hash_backend, idle_left_s, lifetime_left_s, if_backend_fails, .. } =
        explanation;
    for sentence in text {
        writeln!(out, "{sentence}")?;
    }
    let mut table = table();
    let name = |backend: &Option<String>| backend.clone().unwrap_or_else(|| "nobody".to_owned());
    table.add_row(["backend".to_owned(), name(backend)]);
    table.add_row(["decided by".to_owned(), explanation.reason.name().to_owned()]);
    table.add_row(["by hash alone".to_owned(), name(hash_backend)]);
    if let Some(backend) = backend {
        table.add_row([format!("if {backend} fails"), name(if_backend_fails)]);
    }
    for (what, left) in [("idle time left", idle_left_s), ("lifetime left", lifetime_left_s)] {
        if let Some(left) = left {
            table.add_row([what.to_owned(), time(*left)]);
        }
    }
    writeln!(out, "\n{}", table.trim_fmt())
}

/// The explanation in sentences, made from its facts: what the daemon puts into [`Explanation::text`].
#[must_use]
pub fn sentences(explanation: &Explanation) -> Vec<String> {
    let Explanation { backend, hash_backend, if_backend_fails, session, .. } = explanation;
    let mut sentences = vec![decision(explanation)];
    if let Some(session) = session {
        sentences.push(history(session));
        sentences.extend(future(explanation, session));
    }
    if let Some(backend) = backend {
        sentences.extend(match hash_backend {
            _ if explanation.reason == Why::Hash => None,
            Some(other) if other != backend => Some(format!("The hash alone would choose {other}.")),
            Some(_) => Some("The hash alone would choose the same.".to_owned()),
            None => None,
        });
        sentences.push(match if_backend_fails {
            Some(other) => format!("Should {backend} fail, the client would go to {other}."),
            None => format!("Should {backend} fail, no other backend could take the client."),
        });
    }
    sentences
}

fn decision(explanation: &Explanation) -> String {
    let Explanation { service, client, port, backend, reason, .. } = explanation;
    let subject = match port {
        Some(port) => format!("The connection from {} to {service}", SocketAddr::new(*client, *port)),
        None => format!("A new connection from {client} to {service}"),
    };
    match (backend, reason) {
        (None, _) | (_, Why::None) => format!("{subject} is dropped: no backend can take it."),
        (Some(backend), Why::Flow) => format!("{subject} stays on {backend}: it is open there."),
        (Some(backend), Why::Session) => {
            format!("{subject} goes to {backend}: the client has a live session there.")
        }
        (Some(backend), Why::Hash) => {
            format!("{subject} goes to {backend}: the client has no live session, so the hash decides.")
        }
    }
}

fn history(session: &Session) -> String {
    let Session { backend, proven, age_s, idle_s, valid } = session;
    let backend = backend.as_deref().unwrap_or("a backend that is gone");
    let standing = match (valid, proven) {
        (false, _) => "it no longer counts",
        (true, true) => "the client is proven, so no stranger can push it out",
        (true, false) => "the client is not proven yet, so a flood of strangers may push it out",
    };
    format!("Its session with {backend} is {} old, idle for {}; {standing}.", time(*age_s), time(*idle_s))
}

fn future(explanation: &Explanation, session: &Session) -> Option<String> {
    let idle = explanation.idle_left_s.filter(|_| session.valid).map(time)?;
    Some(match explanation.lifetime_left_s.map(time) {
        Some(life) => {
            format!("It ends after {idle} more without traffic, or at the first connection after {life}.")
        }
        None => format!("It ends after {idle} more without traffic."),
    })
}
