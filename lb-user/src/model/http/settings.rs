//! Rules for `[service.http]`.

use std::sync::Arc;

use super::{Http, Timeouts, certificates, keys};
use crate::{
    config::{raw, report::Report},
    model::{Protocol, rules},
};

/// The settings of a service of HTTP; none for the others.
pub(in crate::model) fn http(raw: &raw::Service, report: &Report<'_>) -> Option<Option<Arc<Http>>> {
    let protocol = raw.protocol.as_ref()?;
    if protocol.value != Protocol::Http {
        let without = r#"protocol = "http""#;
        rules::no_effect_without(raw.http.given.then_some(&raw.http.place), without, report);
        return Some(None);
    }
    let because = r#"protocol = "http""#;
    rules::no_effect(raw.forwarding.as_ref(), because, report);
    rules::no_effect(raw.preserve_client.as_ref(), because, report);
    let keys = keys::load(&raw.persistence, report);
    let raw = &raw.http;
    let certificates = certificates::load(raw, report);
    let trusted = &raw.trusted_proxies.as_ref()?.value;
    let http = Http {
        http2: raw.http2.as_ref()?.value,
        backend_version: raw.backend_version.as_ref()?.value,
        accept_proxy: raw.accept_proxy.as_ref()?.value,
        send_proxy: raw.send_proxy.as_ref().map(|version| version.value),
        forwarded: raw.forwarded.as_ref()?.value,
        trusted: trusted.iter().map(|prefix| prefix.value).collect(),
        retries: raw.retries.as_ref()?.value,
        max_header: raw.max_header.as_ref()?.value as usize,
        max_body: raw.max_body.as_ref().map(|bytes| bytes.value),
        timeouts: timeouts(&raw.timeouts)?,
        certificates: certificates?,
        keys: keys?,
    };
    Some(Some(http.into()))
}

fn timeouts(raw: &raw::Timeouts) -> Option<Timeouts> {
    Some(Timeouts {
        header: raw.header.as_ref()?.value,
        idle: raw.idle.as_ref()?.value,
        body: raw.body.as_ref()?.value,
        connect: raw.connect.as_ref()?.value,
        response: raw.response.as_ref()?.value,
        upgrade: raw.upgrade.as_ref()?.value,
        backend_idle: raw.backend_idle.as_ref()?.value,
        shutdown: raw.shutdown.as_ref()?.value,
    })
}
