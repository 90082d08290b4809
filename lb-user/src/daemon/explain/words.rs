//! An explanation in sentences.

use lb_common::stage::promise::Standing;

use crate::{
    api::{Explanation, Why},
    http::{explain::Explained, figures::CookieState},
    model::{OnDown, PersistBy, Service},
};

/// The explanation for people.
pub(super) fn sentences(
    explanation: &Explanation,
    service: &Service,
    standing: Option<Standing>,
) -> Vec<String> {
    if explanation.denied {
        return vec![denial(explanation, service)];
    }
    let by_connection_id = matches!(service.persistence.by, PersistBy::QuicCid(_));
    let by_connection = by_connection_id || service.persistence.by == PersistBy::Connection;
    let mut text = Vec::new();
    let backend = explanation.backend.as_deref().unwrap_or("nobody");
    text.push(match explanation.reason {
        Why::Flow => format!("This connection is open and goes to {backend}."),
        Why::Session if explanation.backend.is_none() => {
            "A new connection of this client is refused: the backend of its session is down, and it waits for it."
                .to_owned()
        }
        // Of packets nothing but an address tells a session.
        Why::Session | Why::Cookie | Why::Header => {
            format!("A new connection of this client goes to {backend}: it has a live session there.")
        }
        Why::Hash if standing == Some(Standing::Lent) => {
            format!("A new connection of this client goes to {backend} for now: the backend of its session is down.")
        }
        Why::Hash if standing == Some(Standing::Elsewhere) => format!(
            "A new connection of this client goes to {backend}: the server of its session is not one of this service, \
             the hash decides."
        ),
        Why::Hash if explanation.session.is_some() => {
            format!("A new connection of this client goes to {backend}: its session is over, the hash decides.")
        }
        Why::Hash => {
            format!("A new connection of this client goes to {backend}: it has no session, the hash decides.")
        }
        Why::None if by_connection && explanation.port.is_none() => {
            "Each connection is hashed by itself: name a port to ask about one.".to_owned()
        }
        Why::None => "No backend is up: packets of this client are dropped.".to_owned(),
    });
    if by_connection_id {
        text.push(
            "A packet whose connection ID names a server goes there instead, if that one is up.".to_owned(),
        );
    }
    text.extend(session(explanation, standing));
    if let Some(hash) = explanation.hash_backend.as_deref().filter(|hash| *hash != backend) {
        text.push(format!("The hash alone would say {hash}."));
    }
    if let Some(backend) = &explanation.backend {
        text.extend(fails(explanation, service, backend));
        text.extend(drains(explanation, backend));
    }
    text
}

/// What is known of the session.
fn session(explanation: &Explanation, standing: Option<Standing>) -> Vec<String> {
    let seconds = |s: f64| humantime::format_duration(std::time::Duration::from_secs(s as u64)).to_string();
    let mut text = Vec::new();
    if let Some(session) = &explanation.session {
        let home = session.backend.as_deref().unwrap_or("a backend that is gone");
        let kind = if session.proven { "proven: it can't be evicted" } else { "not proven yet" };
        text.push(format!(
            "Its session at {home} is {} old, last used {} ago ({kind}).",
            seconds(session.age_s),
            seconds(session.idle_s)
        ));
        if let Some(Standing::Ended(cause)) = standing {
            text.push(format!("That session no longer decides. {}", cause.help().trim()));
        }
    }
    if let Some(left) = explanation.idle_left_s {
        text.push(format!("Without traffic the session ends in {}.", seconds(left)));
    }
    if let Some(left) = explanation.lifetime_left_s {
        text.push(format!("At the latest it ends at the first new connection after {}.", seconds(left)));
    }
    text
}

/// The explanation of a request for people.
pub(super) fn request(explanation: &Explanation, service: &Service, explained: &Explained) -> Vec<String> {
    if explanation.denied {
        return vec![denial(explanation, service)];
    }
    let backend = explanation.backend.as_deref().unwrap_or("nobody");
    let mut text = vec![match explanation.reason {
        Why::None => "No backend is up: such a request is answered with 503.".to_owned(),
        Why::Hash if explained.is_stranger => {
            "Nothing tells this client from others: each of its connections goes its own way until it has a session."
                .to_owned()
        }
        Why::Hash if explained.standing == Some(Standing::Lent) => {
            format!("Such a request goes to {backend} for now: the backend of its session is down.")
        }
        Why::Hash if explanation.session.is_some() => {
            format!("Such a request goes to {backend}: its session is over, the hash decides.")
        }
        Why::Hash => format!("Such a request goes to {backend}: it has no session yet, the hash decides."),
        _ if explanation.backend.is_none() => {
            "Such a request is answered with 503: the backend of its session is down, and it waits for it."
                .to_owned()
        }
        Why::Cookie => format!("Such a request goes to {backend}: its cookie is that of a live session there."),
        Why::Header => format!("Such a request goes to {backend}: its header is that of a live session there."),
        Why::Session | Why::Flow => {
            format!("Such a request goes to {backend}: it has a live session there.")
        }
    }];
    match explained.cookie {
        Some(CookieState::Forged) => text.push(
            "Its cookie was not made for this service by anybody who has the keys: it counts for nothing."
                .to_owned(),
        ),
        Some(CookieState::Unknown) => {
            text.push("Its cookie names a server that is not one of the service's any more.".to_owned());
        }
        _ => {}
    }
    text.extend(session(explanation, explained.standing));
    text.extend(explanation.backend.iter().flat_map(|backend| {
        [fails(explanation, service, backend), drains(explanation, backend)].into_iter().flatten()
    }));
    text
}

/// What would happen if the backend failed its checks.
fn fails(explanation: &Explanation, service: &Service, backend: &str) -> Option<String> {
    let has_session = explanation.session.is_some();
    let next = explanation.if_backend_fails.as_deref();
    match (service.persistence.on_down, next) {
        (OnDown::Refuse, _) if has_session => {
            Some(format!("If {backend} fails, this client is refused until it is back."))
        }
        (OnDown::Hold(time), Some(next)) if has_session => Some(format!(
            "If {backend} fails, this client is refused for {}, and then goes to {next}.",
            humantime::format_duration(time)
        )),
        (OnDown::Lend, Some(next)) if has_session => {
            Some(format!("If {backend} fails, new connections go to {next} until it is back."))
        }
        (_, Some(next)) => Some(format!("If {backend} fails, new connections go to {next}.")),
        (_, None) => None,
    }
}

/// What would happen if the backend drained.
fn drains(explanation: &Explanation, backend: &str) -> Option<String> {
    let next = explanation.if_backend_drains.as_deref()?;
    Some(match next == backend {
        true => format!("If {backend} drains, this client stays there until its session ends."),
        false => format!("If {backend} drains, new connections go to {next}."),
    })
}

/// Why packets of a client are dropped that the access list does not let in.
fn denial(explanation: &Explanation, service: &Service) -> String {
    let rule = service.access.as_ref().and_then(|list| list.decides(explanation.client?));
    let why = match rule {
        Some(rule) if !rule.prefix.is_whole() => format!("its access list denies {}", rule.prefix),
        _ => "its access list allows others only".to_owned(),
    };
    format!(
        "This client may not use {}: {why}. Its packets are dropped, also those of open connections.",
        service.name
    )
}
