//! What a backend is told about the client.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};

use super::X_FORWARDED_FOR;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// All that backends believe about where a request came from, whether it is written here or not.
const CLAIMS: [HeaderName; 6] = [
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    X_FORWARDED_PROTO,
    HeaderName::from_static("x-real-ip"),
];

/// Which fields to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`.
    XForwarded,
    /// `Forwarded`, of RFC 7239.
    Forwarded,
}

/// Writes down who sent this request, for which host and whether over TLS. What a peer that is not trusted says about
/// it is dropped, so that a client can't lie about its address. Of a trusted one, its lists are continued, and its
/// scheme and host stay: they are what the client used.
pub fn append(
    headers: &mut HeaderMap,
    peer: IpAddr,
    host: Option<&HeaderValue>,
    is_tls: bool,
    fields: Fields,
    trusts_peer: bool,
) {
    if !trusts_peer {
        for name in &CLAIMS {
            headers.remove(name);
        }
    }
    let peer = peer.to_canonical();
    let scheme = if is_tls { "https" } else { "http" };
    match fields {
        Fields::XForwarded => {
            extend(headers, X_FORWARDED_FOR, peer.to_string().as_bytes());
            headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(scheme));
            if let Some(host) = host {
                headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
            }
        }
        Fields::Forwarded => extend(headers, FORWARDED, &element(peer, host, scheme)),
    }
}

/// RFC 7239, section 4. IPv6 is in brackets, and so in quotes; a host may have a port, and so is, too.
fn element(peer: IpAddr, host: Option<&HeaderValue>, scheme: &str) -> Vec<u8> {
    let mut element = match peer {
        IpAddr::V4(peer) => format!("for={peer};proto={scheme}"),
        IpAddr::V6(peer) => format!("for=\"[{peer}]\";proto={scheme}"),
    }
    .into_bytes();
    if let Some(host) = host {
        element.extend_from_slice(b";host=\"");
        for &byte in host.as_bytes() {
            if matches!(byte, b'"' | b'\\') {
                element.push(b'\\');
            }
            element.push(byte);
        }
        element.push(b'"');
    }
    element
}

/// Adds to the end of a list, in one field: some read only the first.
fn extend(headers: &mut HeaderMap, name: HeaderName, entry: &[u8]) {
    let mut list: Vec<_> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    list.push(entry);
    let list = HeaderValue::from_bytes(&list.join(&b", "[..])).expect("made of such values");
    headers.insert(name, list);
}
