//! Figures of services of HTTP.

use std::{collections::BTreeMap, fmt, iter::once};

use super::page::{Families, Label};
use crate::api::{Requests, Status};

/// Writes the families of requests, where there is a service of HTTP.
pub(super) fn encode(status: &Status, families: &mut Families<'_>) -> fmt::Result {
    let services: Vec<_> = status
        .services
        .iter()
        .filter_map(|service| Some((("service", &*service.name), service.http.as_ref()?)))
        .collect();
    if services.is_empty() {
        return Ok(());
    }
    families.counter(
        "limpet_http_responses",
        None,
        "Answers, by class of status.",
        by(&services, "class", |it| &it.statuses),
    )?;
    families.counter(
        "limpet_http_cookies",
        None,
        "Requests by what their cookie of Limpet's was worth.",
        by(&services, "state", |it| &it.cookies),
    )?;
    let single = |value: fn(&Requests) -> u64| {
        services.iter().map(move |(service, requests)| ([*service], value(requests)))
    };
    families.counter("limpet_http_cookies_set", None, "Cookies set.", single(|it| it.cookies_set))?;
    families.counter(
        "limpet_http_retries",
        None,
        "Requests tried again at another backend.",
        single(|it| it.retries),
    )?;
    families.gauge(
        "limpet_http_connections",
        None,
        "Open connections of clients.",
        single(|it| it.connections),
    )?;
    let times = services.iter().map(|(service, Requests { latency, .. })| {
        let buckets = latency.buckets.iter().copied().chain(once((f64::MAX, latency.above)));
        ([*service], (latency.sum_s, latency.count(), buckets.collect()))
    });
    families.histogram("limpet_http_response_begin", "Times to the first byte of answers.", times)
}

/// Counts with a label of their own.
fn by<'s>(
    services: &[(Label<'s>, &'s Requests)],
    label: &'static str,
    counts: fn(&Requests) -> &BTreeMap<String, u64>,
) -> Vec<([Label<'s>; 2], u64)> {
    let each = |&(service, requests): &(Label<'s>, &'s Requests)| {
        counts(requests).iter().map(move |(name, &count)| ([service, (label, &**name)], count))
    };
    services.iter().flat_map(each).collect()
}
