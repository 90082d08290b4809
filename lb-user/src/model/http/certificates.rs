//! Rules for `[[service.http.certificate]]`: the files are read, and must be good.

use std::{sync::Arc, time::SystemTime};

use crate::{
    config::{raw, report::Report},
    model::rules,
    secrets::Certificate,
};

pub(super) fn load(raw: &raw::Http, report: &Report<'_>) -> Option<Vec<Arc<Certificate>>> {
    let Some(tables) = &raw.certificates else { return Some(Vec::new()) };
    // Each reports its own errors, so none may keep another from being looked at.
    let loaded: Vec<_> = tables.value.iter().map(|table| (one(table, report), &table.place)).collect();
    let names = loaded.iter().flat_map(|(certificate, place)| {
        let names = certificate.iter().flat_map(Certificate::names);
        names.map(move |name| (name, *place))
    });
    rules::unique(
        names,
        |name| format!("there is already a certificate for {name}"),
        "keep one of the two: clients that ask for the name could get either",
        report,
    );
    loaded.into_iter().map(|(certificate, _)| certificate.map(Arc::new)).collect()
}

fn one(raw: &raw::Certificate, report: &Report<'_>) -> Option<Certificate> {
    let (chain, key) = (raw.certificate.as_ref()?, raw.key.as_ref()?);
    let loaded =
        Certificate::load(&report.beside(&chain.value), &report.beside(&key.value), SystemTime::now());
    loaded
        .map_err(|error| {
            let place = if error.is_of_key() { &key.place } else { &chain.place };
            report.error(place, error.to_string(), error.remedy());
        })
        .ok()
}
