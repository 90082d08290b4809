//! Fields that are meant for one connection and not for who is behind it (RFC 9110, section 7.6.1).
//!
//! Bodies are framed by the HTTP engine, for each connection anew: the framing that a message came with says nothing
//! about how it goes on.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_TYPE, COOKIE, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE,
        TRANSFER_ENCODING, UPGRADE,
    },
};

/// Always of one connection, whether `Connection` lists them or not: some senders forget. What is between a client and
/// its proxy (RFC 9110, section 11.7) belongs here, too: a backend has no use for passwords of others. `Trailer` does
/// not: trailers go through, and it announces them.
const OF_ONE_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Never of one connection, whatever `Connection` says. RFC 9110 forbids to list what is for the final recipient, and
/// who does so all the same means to have a check behind us see another message than we do: without its host, its
/// length or its credentials, or without the address that a proxy in front of us has written down.
const OF_THE_MESSAGE: [HeaderName; 14] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    FORWARDED,
    HOST,
    SET_COOKIE,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// Takes away what is meant for the connection that a message came by. `TE: trailers` stays, for it says what the
/// recipient of the response can take, and that is the client (RFC 9110, section 10.1.4).
pub fn strip(headers: &mut HeaderMap) {
    let takes_trailers = lists(headers, &TE, "trailers");
    let nominated: Vec<_> = options(headers, &CONNECTION)
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .filter(|name| !OF_THE_MESSAGE.contains(name))
        .collect();
    for name in nominated.iter().chain(&OF_ONE_CONNECTION) {
        headers.remove(name);
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The protocol that a request asks for, or a response agrees to: if `Connection` lists `upgrade` and `Upgrade` names
/// one protocol that can be passed on. HTTP/2 over plain text (`h2c`) can't: its requests would go by unseen.
pub fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let protocol = protocols.next().filter(|_| protocols.next().is_none())?;
    let is_one = !protocol.is_empty() && !protocol.as_bytes().contains(&b',');
    let is_http = protocol.as_bytes().trim_ascii().eq_ignore_ascii_case(b"h2c");
    (lists(headers, &CONNECTION, "upgrade") && is_one && !is_http).then(|| protocol.clone())
}

/// Whether a list has this member. Parameters behind a `;`, as `TE` has them, don't count.
fn lists(headers: &HeaderMap, field: &HeaderName, member: &str) -> bool {
    let is_it = |name: &[u8]| name.trim_ascii().eq_ignore_ascii_case(member.as_bytes());
    options(headers, field).any(|option| option.split(|&byte| byte == b';').next().is_some_and(is_it))
}

fn options<'h>(headers: &'h HeaderMap, field: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let fields = headers.get_all(field).iter();
    fields.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let field = |&(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn what_is_of_one_connection_goes() {
        let mut message = headers(&[
            ("Connection", "close, X-Once ,,"),
            ("connection", "TE, Upgrade, HTTP2-Settings"),
            ("x-once", "1"),
            ("X-Once", "2"),
            ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authorization", "Basic eDp5"),
            ("Proxy-Authenticate", "Basic"),
            ("TE", "gzip;q=0.5, Trailers;q=1"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "websocket"),
            ("Trailer", "Digest"),
            ("X-Stays", "1"),
        ]);
        strip(&mut message);
        assert_eq!(message, headers(&[("TE", "trailers"), ("Trailer", "Digest"), ("X-Stays", "1")]));
    }

    #[test]
    fn what_is_of_the_message_stays_though_nominated() {
        for name in OF_THE_MESSAGE {
            let mut message = headers(&[("connection", name.as_str()), (name.as_str(), "1")]);
            strip(&mut message);
            assert_eq!(message, headers(&[(name.as_str(), "1")]));
        }
    }

    #[test]
    fn without_trailers_nothing_of_te_stays() {
        for te in ["gzip", "", "trailersx", "gzip;trailers"] {
            let mut message = headers(&[("te", te)]);
            strip(&mut message);
            assert!(message.is_empty(), "{te}");
        }
    }

    #[test]
    fn an_upgrade_is_one_that_both_fields_name() {
        for (fields, expected) in [
            (&[("Connection", "Upgrade"), ("Upgrade", "websocket")][..], Some("websocket")),
            (&[("Connection", "keep-alive, UPGRADE"), ("Upgrade", "foo/2")], Some("foo/2")),
            (&[("Connection", "keep-alive"), ("Connection", "upgrade"), ("Upgrade", "x")], Some("x")),
            (&[("Upgrade", "websocket")], None),
            (&[("Connection", "close"), ("Upgrade", "websocket")], None),
            (&[("Connection", "xupgrade"), ("Upgrade", "websocket")], None),
            (&[("Connection", "upgrade")], None),
            (&[("Connection", "upgrade"), ("Upgrade", "")], None),
            (&[("Connection", "upgrade, HTTP2-Settings"), ("Upgrade", "H2C")], None),
            (&[("Connection", "upgrade"), ("Upgrade", "websocket, h2c")], None),
            (&[("Connection", "upgrade"), ("Upgrade", "websocket"), ("Upgrade", "h2c")], None),
        ] {
            let protocol = upgrade(&headers(fields));
            assert_eq!(protocol.as_ref().map(|value| value.to_str().unwrap()), expected, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_nominated_stays_but_what_is_of_the_message(
            connection in prop::collection::vec("(host|cookie|x-a|x-b|te|é|,| |;)+", 0..4),
            others in prop::collection::vec("host|cookie|x-a|x-b|te|upgrade|accept", 0..6),
        ) {
            let all = connection.iter().map(|v| ("connection", &**v)).chain(others.iter().map(|n| (&**n, "trailers")));
            let before = headers(&all.collect::<Vec<_>>());
            let mut after = before.clone();
            strip(&mut after);
            let options: Vec<_> = connection.iter().flat_map(|v| v.split(',')).map(str::trim).collect();
            for name in before.keys() {
                let stays = match name.as_str() {
                    "host" | "cookie" | "te" | "accept" => true,
                    "x-a" | "x-b" => !options.contains(&name.as_str()),
                    _ => false,
                };
                prop_assert_eq!(after.contains_key(name), stays, "{}", name);
            }
            let mut again = after.clone();
            strip(&mut again);
            prop_assert_eq!(again, after);
        }
    }
}
