//! Rules for `by` of services of HTTP, and for the settings of its words.

use super::{Method, Request, cookie};
use crate::{
    config::{
        raw::{self, PersistBy},
        report::Report,
    },
    model::rules::{self, no_effect_without},
};

/// What clients of a service of HTTP are known by.
pub(in crate::model) fn request(raw: &raw::Persistence, report: &Report<'_>) -> Option<Request> {
    let by = raw.by.as_ref()?;
    if by.value.is_empty() {
        let help = r#"list what clients are known by in order, or write by = "connection""#;
        report.error(&by.place, "by is empty", help);
    }
    rules::unique(
        by.value.iter().map(|word| (word.value, &word.place)),
        |word| format!("{:?} is already listed", word.word()),
        "list each once: the first that a request has decides",
        report,
    );
    if let Some(connection) = raw.find(PersistBy::Connection).filter(|_| by.value.len() > 1) {
        report.error(
            &connection.place,
            r#""connection" knows no client, and can't be one of several"#,
            r#"remove it: a request that has none of the others goes its own way; or write by = "connection""#,
        );
    }
    if raw.find(PersistBy::Cookie).is_some() {
        cookie::check(&raw.cookie, report);
    }
    if raw.find(PersistBy::ClientIp).is_none()
        && raw.group.is_none()
        && raw.only() != Some(PersistBy::Connection)
    {
        let what = r#""client-ip" in by, or a group"#;
        no_effect_without(rules::given(raw.prefix_v4.as_ref()), what, report);
        no_effect_without(rules::given(raw.prefix_v6.as_ref()), what, report);
        no_effect_without(rules::given(raw.masks.as_ref()), what, report);
    }
    let words = by.value.iter().map(|word| word.value);
    let methods = words.filter(|word| *word != PersistBy::Connection).map(|word| method(word, raw));
    Some(Request {
        methods: methods.collect::<Option<_>>()?,
        prefix_v4: raw.prefix_v4.as_ref()?.value,
        prefix_v6: raw.prefix_v6.as_ref()?.value,
    })
}

fn method(word: PersistBy, raw: &raw::Persistence) -> Option<Method> {
    Some(match word {
        PersistBy::Cookie => cookie::method(&raw.cookie)?,
        PersistBy::Header => Method::Header(raw.header.as_ref()?.value.clone()),
        PersistBy::Query => Method::Query(raw.query.as_ref()?.value.clone()),
        PersistBy::Path => Method::Path(raw.path_segments.as_ref()?.value),
        PersistBy::ClientIp => Method::ClientIp,
        PersistBy::Connection | PersistBy::QuicCid => return None,
    })
}

/// Reports settings of words that `by` does not have, of whatever service.
pub(in crate::model) fn unused(raw: &raw::Persistence, report: &Report<'_>) {
    let settings = [
        (PersistBy::Header, r#"by = "header""#, rules::given(raw.header.as_ref())),
        (PersistBy::Query, r#"by = "query""#, rules::given(raw.query.as_ref())),
        (PersistBy::Path, r#"by = "path""#, rules::given(raw.path_segments.as_ref())),
        (PersistBy::Cookie, r#"by = "cookie""#, raw.cookie.given.then_some(&raw.cookie.place)),
    ];
    for (word, what, place) in settings {
        if raw.by.is_some() && raw.find(word).is_none() {
            no_effect_without(place, what, report);
        }
    }
}
