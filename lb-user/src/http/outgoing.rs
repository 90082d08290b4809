//! A request as the backend gets it.

use http::{
    HeaderMap, HeaderValue, Request, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use hyper::body::Body as _;

use super::{
    body::Upload,
    cookie::jar,
    forwarded, hop,
    request::Client,
    session::{SEPARATOR, Served},
};
use crate::model::http::{Forwarded, Method, Version as Spoken};

/// The request for any of the service's backends.
pub(super) fn request(
    client: &Client,
    served: &Served,
    mut parts: Parts,
    body: Upload,
    upgrade: Option<HeaderValue>,
) -> Request<Upload> {
    let headers = &mut parts.headers;
    hop::strip(headers);
    // The client was told to go on as soon as somebody reads its body: that is here.
    headers.remove(EXPECT);
    frame(headers, &body, served.http.backend_version);
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(HOST, host);
    } else if !headers.contains_key(HOST)
        && let Ok(called) = HeaderValue::from_str(&client.origin.called.to_string())
    {
        // HTTP/1.0 may leave it out, HTTP/1.1 may not.
        headers.insert(HOST, called);
    }
    jar::join(headers);
    hide(served, &mut parts);
    tell(client, served, &mut parts);
    if let Some(protocol) = upgrade {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(UPGRADE, protocol);
    }
    match served.http.backend_version {
        Spoken::Http1 => {
            parts.version = Version::HTTP_11;
            parts.uri = in_origin_form(&parts.uri);
        }
        Spoken::Http2 => {
            parts.version = Version::HTTP_2;
            parts.uri = with_authority(&parts).unwrap_or(parts.uri);
            parts.headers.remove(HOST);
        }
    }
    Request::from_parts(parts, body)
}

/// Says how long the body is, in words of our own: one plain number, or chunks, whatever the method. hyper passes on the
/// lengths that it finds, and sends no body of `GET` that nobody announces.
fn frame(headers: &mut HeaderMap, body: &Upload, version: Spoken) {
    let was_announced = headers.remove(CONTENT_LENGTH).is_some();
    match body.size_hint().exact() {
        Some(0) if !was_announced => {}
        Some(length) => drop(headers.insert(CONTENT_LENGTH, length.into())),
        None if version == Spoken::Http1 => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        None => {}
    }
}

/// Takes away what is between the client and us.
fn hide(served: &Served, parts: &mut Parts) {
    for method in &served.request.methods {
        match method {
            Method::Insert(cookie) if !cookie.pass_on => {
                jar::remove(&mut parts.headers, &cookie.name);
            }
            Method::Prefix { name } => {
                jar::replace(&mut parts.headers, name, |value| Some(value.split_once(SEPARATOR)?.1));
            }
            _ => {}
        }
    }
}

/// Says who the client is.
fn tell(client: &Client, served: &Served, parts: &mut Parts) {
    let fields = match served.http.forwarded {
        Forwarded::Off => return,
        Forwarded::X => forwarded::Fields::XForwarded,
        Forwarded::Standard => forwarded::Fields::Forwarded,
    };
    let peer = client.origin.client.ip();
    let is_trusted = served.http.trusted.iter().any(|prefix| prefix.contains(&peer));
    let host = parts.headers.get(HOST).cloned();
    forwarded::append(&mut parts.headers, peer, host.as_ref(), client.is_tls, fields, is_trusted);
}

/// Path and query only.
fn in_origin_form(uri: &Uri) -> Uri {
    match uri.path_and_query() {
        Some(path) if uri.authority().is_some() => Uri::from(path.clone()),
        _ => uri.clone(),
    }
}

/// In the form that HTTP/2 takes its pseudo-fields from.
fn with_authority(parts: &Parts) -> Option<Uri> {
    let host = parts.headers.get(HOST)?.to_str().ok()?;
    let path = parts.uri.path_and_query()?.clone();
    Uri::builder().scheme("http").authority(host).path_and_query(path).build().ok()
}
