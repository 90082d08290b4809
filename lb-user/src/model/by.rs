//! Rules for `by`: what identifies the clients of a service.

use super::{PersistBy, Protocol, http, quic};
use crate::config::{
    raw,
    report::{At, Report},
};

pub(super) fn by(service: &raw::Service, report: &Report<'_>) -> Option<PersistBy> {
    let raw = &service.persistence;
    http::unused(raw, report);
    let schemes = quic::schemes(raw, report);
    let protocol = service.protocol.as_ref()?;
    if protocol.value == Protocol::Http {
        return http::request(raw, report).map(PersistBy::Request);
    }
    let word = only(raw, protocol, report)?;
    Some(match word {
        raw::PersistBy::QuicCid => PersistBy::QuicCid(schemes?),
        raw::PersistBy::Connection => PersistBy::Connection,
        _ => PersistBy::ClientIp {
            prefix_v4: raw.prefix_v4.as_ref()?.value,
            prefix_v6: raw.prefix_v6.as_ref()?.value,
        },
    })
}

/// The word of a service whose packets are all that is seen of it.
fn only(raw: &raw::Persistence, protocol: &At<Protocol>, report: &Report<'_>) -> Option<raw::PersistBy> {
    use raw::PersistBy::{ClientIp, Connection, QuicCid};
    let by = raw.by.as_ref()?;
    let what = match raw.only() {
        Some(word @ (ClientIp | Connection | QuicCid)) if !raw.is_list => return Some(word),
        Some(word) if !raw.is_list => format!("by = {:?}", word.word()),
        _ => "a list".to_owned(),
    };
    report.error(
        &by.place,
        format!("{what} is for HTTP, and this service is {}{}", protocol.value, protocol.remark()),
        r#"set protocol = "http", or by = "client-ip", "connection" or "quic-cid""#,
    );
    None
}
