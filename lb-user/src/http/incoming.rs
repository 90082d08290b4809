//! What a request must be to be passed on. hyper has refused by then what can't be parsed: conflicting or malformed
//! lengths, folded fields, bad chunks, a chunked coding that is not the last (RFC 9112 sections 5.2, 6 and 7). A request
//! with both a length and a coding it takes as chunked, and closes the connection behind it (section 6.1).

use http::{
    HeaderMap, HeaderValue, Method, Request, Version,
    header::{HOST, TRANSFER_ENCODING},
    uri::{Authority, Scheme, Uri},
};
use hyper::body::{Body as _, Incoming};

use super::{answer::Refusal, session::Served};

/// Refuses what backends might read otherwise than we do, and what can't be served.
pub(super) fn check(request: &Request<Incoming>, served: &Served) -> Result<(), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::Tunnel);
    }
    if !is_plain(request.headers()) {
        return Err(Refusal::Coding);
    }
    check_host(request)?;
    check_target(request.method(), request.uri())?;
    let announced = request.body().size_hint().lower();
    if served.http.max_body.is_some_and(|most| announced > most) {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

/// Whether a message has no other coding than `chunked`. One inside of it would have to be undone here, for the field
/// that names it goes no further (RFC 9112 section 6.1).
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let is_chunked = codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"));
    is_chunked && codings.next().is_none()
}

/// HTTP/2 has the host among the pseudo-fields, and a request in absolute form in its target (RFC 9112 section 3.2.2):
/// then `Host` does not count, but must be there and be one all the same, for a backend's sake that reads it first.
fn check_host(request: &Request<Incoming>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::Bad("more than one Host"));
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if ![host.map(HeaderValue::as_bytes), authority].into_iter().flatten().all(is_host) {
        return Err(Refusal::Bad("Host is not the name of a host"));
    }
    match (request.version(), host, authority) {
        (Version::HTTP_11, None, _) | (Version::HTTP_2, None, None) => Err(Refusal::Bad("there is no Host")),
        (Version::HTTP_2, Some(host), Some(authority))
            if !host.as_bytes().eq_ignore_ascii_case(authority) =>
        {
            Err(Refusal::Bad("two hosts"))
        }
        _ => Ok(()),
    }
}

fn is_host(host: &[u8]) -> bool {
    host.is_empty() || Authority::try_from(host).is_ok_and(|it| !it.as_str().contains('@'))
}

fn check_target(method: &Method, target: &Uri) -> Result<(), Refusal> {
    let is_of_server = target.path() == "*" && method == Method::OPTIONS;
    let is_web = target.scheme().is_none_or(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
    if is_web && (is_of_server || target.path().starts_with('/')) {
        return Ok(());
    }
    Err(Refusal::Bad("the target is not a path"))
}
