//! What a request carries that tells its client.

use std::{hash::Hasher as _, net::IpAddr};

use http::request::Parts;
use lb_common::{net::Ip, settings::Settings, state::SessionKey};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::{
    Served,
    carried::{self, Carried},
    choose::Question,
    desk::Place,
};
use crate::{
    http::{cookie::jar, figures::CookieState},
    model::http::{DIGEST, Method},
};

/// Who a request's client is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Identity<'a> {
    /// Its cookie carries the session: the token, and what is in it.
    Cookie(&'a str, Carried),
    /// The session that is stored under this key.
    Key(&'a Method, SessionKey),
    /// Nobody knows.
    Stranger,
}

/// Who the client is: by the first method that finds something. Beside it what a cookie of Limpet's was worth, if there is
/// a method that looks for one.
pub(super) fn identify<'a>(place: Place<'a>, question: &Question<'a>) -> (Identity<'a>, Option<CookieState>) {
    let Question { request, client, now, .. } = *question;
    let mut cookie = None;
    for method in &place.served.request.methods {
        if let Some(token) = carried::token(method, request) {
            let (state, session) = carried::open(place, token, now);
            cookie = Some(state);
            if let Some(session) = session {
                return (Identity::Cookie(token, session), cookie);
            }
        } else if let Some(key) = key(place, method, request, client) {
            return (Identity::Key(method, key), cookie);
        }
    }
    (Identity::Stranger, cookie)
}

/// The key of the session of what `method` finds in a request. `None`: the request does not have it.
fn key(place: Place<'_>, method: &Method, request: &Parts, client: IpAddr) -> Option<SessionKey> {
    let (name, value) = match method {
        Method::Insert(_) | Method::Prefix { .. } => return None,
        Method::ClientIp => return address(place.served, client),
        Method::Learn { name } => (name.as_str(), jar::get(&request.headers, name)?.as_bytes()),
        Method::Header(name) => (name.as_str(), request.headers.get(name)?.as_bytes()),
        Method::Query(name) => (name.as_str(), parameter(request.uri.query()?, name)?.as_bytes()),
        Method::Path(segments) => ("/", prefix(request.uri.path(), *segments).as_bytes()),
    };
    (!value.is_empty()).then(|| digest(place.served, name, value))
}

/// The value of the first parameter of this name, as it is written.
fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The key of the session of an address.
pub(super) fn address(served: &Served, client: IpAddr) -> Option<SessionKey> {
    let known_as = served.persistence.known_as(client)?;
    Some(SessionKey { scope: served.entry.scope, client: Ip::from(known_as.network()) })
}

/// The key of what an application's cookie of this `name` says.
pub(super) fn digest(served: &Served, name: &str, value: &[u8]) -> SessionKey {
    // Keyed, as clients choose what is hashed: nobody may find two values that are one.
    let [one, other] = served.digest_key;
    let mut hasher = SipHasher24::new_with_keys(one, other);
    hasher.write(name.as_bytes());
    hasher.write_u8(0xff);
    hasher.write(value);
    let mut bytes = hasher.finish128().as_bytes();
    bytes[0] = DIGEST;
    SessionKey { scope: served.entry.scope, client: Ip::from_bytes(bytes) }
}

/// What a token, or a connection's addresses, are known by.
pub(in crate::http) fn hash(settings: &Settings, of: &[u8]) -> u64 {
    let [one, other, ..] = settings.key.each_ref().map(|word| u64::from(word.get()));
    let mut hasher = SipHasher24::new_with_keys(one, other);
    hasher.write(of);
    hasher.finish()
}

/// The first `segments` segments of a path.
fn prefix(path: &str, segments: u8) -> &str {
    let mut slashes = path.match_indices('/').map(|(at, _)| at).skip(1);
    slashes.nth(usize::from(segments) - 1).map_or(path, |end| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::{parameter, prefix};

    #[test]
    fn parameters_of_a_query() {
        assert_eq!(parameter("a=1&sid=x%20y&sid=z", "sid"), Some("x%20y"));
        assert_eq!(parameter("asid=1&sid", "sid"), None);
        assert_eq!(parameter("", "sid"), None);
    }

    #[test]
    fn segments_of_a_path() {
        assert_eq!(prefix("/shop/cart/7", 1), "/shop");
        assert_eq!(prefix("/shop/cart/7", 2), "/shop/cart");
        assert_eq!(prefix("/shop/cart/7", 3), "/shop/cart/7");
        assert_eq!(prefix("/shop", 2), "/shop");
        assert_eq!(prefix("/", 1), "/");
        assert_eq!(prefix("/shop/", 1), "/shop");
    }
}
