//! Rules for `by = "quic-cid"`: the schemes of connection ids, and the server ids in them.

use lb_common::{
    quic::scheme::{Scheme, Unfit},
    state::quic::SERVICES,
};

use super::{Protocol, rules};
use crate::config::{raw, report::Report};

const BY: &str = r#"by = "quic-cid""#;

/// The schemes of a service that asks for ids; reports those of one that doesn't.
pub(super) fn schemes(raw: &raw::Persistence, report: &Report<'_>) -> Option<Vec<Scheme>> {
    raw.by.as_ref()?;
    let list = raw.quic.as_ref()?;
    if raw.find(raw::PersistBy::QuicCid).is_none() {
        rules::no_effect_without(Some(&list.place), BY, report);
    } else if list.value.is_empty() {
        report.error(&list.place, "quic is empty", "say how connection ids are made, or choose another `by`");
    }
    rules::unique(
        list.value.iter().filter_map(|quic| quic.config.as_ref()).map(|it| (it.value, &it.place)),
        |config| format!("there is already a configuration {config}"),
        "give each configuration of the service its own number: it is how an id says which one made it",
        report,
    );
    let schemes: Vec<_> = list.value.iter().map(|quic| scheme(quic, report)).collect();
    schemes.into_iter().collect()
}

fn scheme(raw: &raw::Quic, report: &Report<'_>) -> Option<Scheme> {
    let (server, nonce) = (raw.server_id_length.as_ref()?, raw.nonce_length.as_ref()?);
    if raw.has_key && raw.key.is_none() {
        return None;
    }
    let key = raw.key.as_ref().map(|key| key.value);
    match Scheme::new(raw.config.as_ref()?.value, server.value, nonce.value, key) {
        Ok(scheme) => Some(scheme),
        // The reader has looked at each by itself.
        Err(Unfit::Sum | Unfit::Rotation | Unfit::ServerId | Unfit::Nonce) => {
            let (sum, most) = (server.value + nonce.value, Scheme::LONGEST);
            report.error(
                &nonce.place,
                format!("server_id_length and nonce_length make {sum} octets, and an id has room for {most}"),
                format!("shorten one of them by {}", sum - most),
            );
            None
        }
    }
}

/// Rules for such a service as a whole.
pub(super) fn service(raw: &raw::Service, report: &Report<'_>) {
    if raw.persistence.by.is_none() {
        return;
    }
    let Some(by) = raw.persistence.find(raw::PersistBy::QuicCid) else {
        for backend in raw.backends() {
            rules::no_effect_without(rules::given(backend.server_id.as_ref()), BY, report);
        }
        return;
    };
    if let Some(protocol) = raw.protocol.as_ref().filter(|protocol| protocol.value != Protocol::Udp) {
        let message =
            format!("{BY} is for QUIC, and this service is {}{}", protocol.value, protocol.remark());
        report.error(&by.place, message, r#"set protocol = "udp", or choose another `by`"#);
        return;
    }
    if raw.persistence.quic.is_none() {
        let help = "add a [[service.persistence.quic]] with config, server_id_length and nonce_length";
        report.error(&by.place, format!("{BY} needs to know how connection ids are made"), help);
    }
    server_ids(raw, report);
}

fn server_ids(raw: &raw::Service, report: &Report<'_>) {
    let schemes = raw.persistence.quic.iter().flat_map(|list| &list.value);
    let lengths: Vec<_> = schemes.filter_map(|quic| quic.server_id_length.as_ref()).collect();
    if let Some(other) = lengths.iter().find(|length| length.value != lengths[0].value) {
        report.error(
            &other.place,
            format!(
                "server ids of {} octets here and of {} at line {}",
                other.value,
                lengths[0].value,
                report.line(&lengths[0].place)
            ),
            "give one length in all configurations of a service: a backend has one id in them all",
        );
    }
    for backend in raw.backends() {
        let Some(id) = &backend.server_id else {
            if !backend.has_server_id {
                let help = "add `server_id = ...`, in hexadecimal digits, as that server is set to";
                report.error(&backend.place, format!("{BY} needs the server_id of each backend"), help);
            }
            continue;
        };
        if let Some(length) = lengths.first()
            && id.value.len() != usize::from(length.value)
        {
            let (found, wanted) = (id.value.len(), length.value);
            report.error(
                &id.place,
                format!("server_id has {found} octets, and server_id_length is {wanted}"),
                format!("give {} hexadecimal digits", 2 * wanted),
            );
        }
    }
    rules::unique(
        raw.backends().iter().filter_map(|it| it.server_id.as_ref()).map(|id| (&id.value, &id.place)),
        |_| "the service already has a backend with this server_id".to_owned(),
        "give each backend of a service its own server_id",
        report,
    );
}

/// The packet program tells so many services apart.
pub(super) fn limit(services: &[raw::Service], report: &Report<'_>) {
    let asks = |service: &&raw::Service| service.persistence.find(raw::PersistBy::QuicCid).is_some();
    if let Some(first_above) = services.iter().filter(asks).nth(SERVICES as usize) {
        let help = "give the others another `by`, or put them on another balancer";
        report.error(&first_above.place, format!("more than {SERVICES} services with {BY}"), help);
    }
}
