//! Requests (RFC 9113 section 8).

use super::{
    Code::ProtocolError,
    Fate::{Answer, Goaway, Reset},
    Frames, Kind, PLAIN, frame, head, last, request,
    wire::{END_HEADERS, END_STREAM, block},
    with,
};

const S82: &str = "RFC 9113 8.2.1";
const S822: &str = "RFC 9113 8.2.2";
const S83: &str = "RFC 9113 8.3";
const S831: &str = "RFC 9113 8.3.1";
const S811: &str = "RFC 9113 8.1.1";
const CL: &str = "PortSwigger H2.CL";
const TE: &str = "PortSwigger H2.TE";
const INJECTION: &str = "PortSwigger H2 injection";
const HELLO: &[&str] = &["POST /x hello"];
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

/// A name or value of characters that none may have: h2 takes that for an error of the whole header table.
const BREAKS_THE_CONNECTION: [&str; 10] = [
    "h2-pseudo-unknown",
    "h2-method-space",
    "h2-name-upper",
    "h2-name-space",
    "h2-name-colon",
    "h2-name-crlf",
    "h2-name-empty",
    "h2-value-crlf",
    "h2-value-lf",
    "h2-value-nul",
];

/// A request with these fields besides, or in place of others.
fn fields(id: &'static str, source: &'static str, what: &'static str, more: &[(&str, &str)]) -> Frames {
    Frames::new(id, source, what, &[request(1, &with(more))], Reset(ProtocolError))
}

/// A request of these fields.
fn all(id: &'static str, source: &'static str, what: &'static str, fields: &[(&str, &str)]) -> Frames {
    Frames::new(id, source, what, &[request(1, fields)], Reset(ProtocolError))
}

fn post(
    id: &'static str,
    source: &'static str,
    what: &'static str,
    more: &[(&str, &str)],
    body: &str,
) -> Frames {
    let head = head(1, &with(&[&[(":method", "POST")], more].concat()));
    Frames::new(id, source, what, &[head, last(1, body)], Reset(ProtocolError))
}

impl Frames {
    fn answered(self, status: u16) -> Self {
        Self { fate: Answer(status), ..self }
    }
}

fn trailers(id: &'static str, what: &'static str, flags: u8, more: &[(&str, &str)]) -> Frames {
    let head =
        head(1, &with(&[(":method", "POST"), ("trailer", "x-sum, host, content-length, transfer-encoding")]));
    let body = frame(Kind::Data, 0, 1, b"hello");
    let end = frame(Kind::Headers, END_HEADERS | flags, 1, &block(more));
    Frames::new(id, "RFC 9113 8.1", what, &[head, body, end], Reset(ProtocolError))
}

fn pseudo() -> Vec<Frames> {
    let [method, scheme, path, authority] = PLAIN;
    vec![
        all(
            "h2-pseudo-order",
            S83,
            "a pseudo-field behind a field",
            &[method, scheme, ("x-a", "b"), path, authority],
        ),
        all("h2-pseudo-twice", S83, "a pseudo-field twice", &[method, scheme, path, path, authority]),
        all(
            "h2-pseudo-unknown",
            S83,
            "an unknown pseudo-field",
            &[method, scheme, path, authority, (":evil", "1")],
        ),
        all(
            "h2-pseudo-status",
            S83,
            ":status in a request",
            &[method, scheme, path, authority, (":status", "200")],
        ),
        all("h2-no-method", S831, "no :method", &[scheme, path, authority]),
        all("h2-no-scheme", S831, "no :scheme", &[method, path, authority]),
        all("h2-no-path", S831, "no :path", &[method, scheme, authority]),
        all("h2-no-authority", S831, "neither :authority nor Host", &[method, scheme, path]).answered(400),
        all("h2-host-alone", S831, "Host instead of :authority", &[method, scheme, path, ("host", "h")])
            .answered(200)
            .sees(&["GET /x"])
            .shows(&["host: h"]),
        fields("h2-path-empty", S831, "an empty :path", &[(":path", "")]),
        fields("h2-path-relative", S831, "a :path without its slash", &[(":path", "x")]),
        fields("h2-path-asterisk", S831, "an asterisk, not OPTIONS", &[(":path", "*")]).answered(400),
        fields("h2-path-absolute", S831, "a whole URI as :path", &[(":path", "http://h/x")]),
        fields("h2-path-space", INJECTION, "a space in :path", &[(":path", "/x HTTP/1.1")]),
        fields("h2-path-crlf", INJECTION, "CRLF in :path", &[(":path", "/x HTTP/1.1\r\nX: y")]),
        fields(
            "h2-method-space",
            INJECTION,
            "a request line in :method",
            &[(":method", "GET /smuggled HTTP/1.1\r\nX: y")],
        ),
        fields("h2-scheme-injection", INJECTION, "a URL in :scheme", &[(":scheme", "http://h/smuggled?")]),
        fields("h2-authority-user", S831, "a user in :authority", &[(":authority", "u@h")]).answered(400),
        fields("h2-authority-path", S831, "a path in :authority", &[(":authority", "h/x")]),
        fields("h2-authority-crlf", INJECTION, "CRLF in :authority", &[(":authority", "h\r\nX: y")]),
        fields("h2-host-other", S831, "a Host that is not :authority", &[("host", "other")]).answered(400),
        fields("h2-host-same", S831, "a Host that is :authority", &[("host", "h")])
            .answered(200)
            .sees(&["GET /x"]),
        fields("h2-host-two", S831, "two Hosts", &[("host", "h"), ("host", "h")]).answered(400),
        all("h2-connect", "RFC 9113 8.5", "CONNECT", &[(":method", "CONNECT"), (":authority", "h:80")])
            .answered(405),
        fields(
            "h2-connect-protocol",
            "RFC 8441 4",
            "an extended CONNECT, which we don't offer",
            &[(":method", "CONNECT"), (":protocol", "websocket")],
        ),
    ]
}

pub(super) fn rows() -> Vec<Frames> {
    let size = SMUGGLED.len().to_string();
    let mut rows = pseudo();
    rows.extend([
        fields("h2-name-upper", S82, "a name in upper case", &[("X-A", "b")]),
        fields("h2-name-space", S82, "a space in a name", &[("x a", "b")]),
        fields("h2-name-colon", INJECTION, "a colon in a name", &[("x: y", "b")]),
        fields("h2-name-crlf", INJECTION, "CRLF in a name", &[("x: y\r\nz", "b")]),
        fields("h2-name-empty", S82, "no name", &[("", "b")]),
        fields("h2-value-crlf", INJECTION, "CRLF in a value", &[("x-a", "b\r\ntransfer-encoding: chunked")]),
        fields("h2-value-lf", S82, "LF in a value", &[("x-a", "b\nc")]),
        fields("h2-value-nul", S82, "NUL in a value", &[("x-a", "b\0c")]),
        fields("h2-connection", S822, "Connection", &[("connection", "close")]),
        fields("h2-keep-alive", S822, "Keep-Alive", &[("keep-alive", "1")]),
        fields("h2-proxy-connection", S822, "Proxy-Connection", &[("proxy-connection", "close")]),
        fields("h2-upgrade", S822, "Upgrade", &[("upgrade", "websocket")]),
        fields("h2-te", S822, "TE: gzip", &[("te", "gzip")]),
        fields("h2-te-trailers", S822, "TE: trailers", &[("te", "trailers")])
            .answered(200)
            .sees(&["GET /x"])
            .shows(&["te: trailers"]),
        fields(
            "h2-cookies",
            "RFC 9113 8.2.3",
            "Cookie in pieces: the backend gets one",
            &[("cookie", "a=b"), ("cookie", "c=d")],
        )
        .answered(200)
        .sees(&["GET /x"])
        .shows(&["cookie: a=b; c=d"]),
        fields("h2-large", "RFC 9113 10.5.1", "more than `max_header`", &[("x-a", &"a".repeat(15_000))])
            .answered(200)
            .sees(&["GET /x"]),
        post(
            "h2-te-chunked",
            TE,
            "Transfer-Encoding: chunked",
            &[("transfer-encoding", "chunked")],
            &format!("0\r\n\r\n{SMUGGLED}"),
        ),
        post("h2-length", S811, "a body of its length", &[("content-length", "5")], "hello")
            .answered(200)
            .sees(HELLO)
            .shows(&["content-length: 5"]),
        post("h2-length-none", S811, "a body without a length", &[], "hello")
            .answered(200)
            .sees(HELLO)
            .shows(&["transfer-encoding: chunked"]),
        post("h2-length-short", CL, "a body shorter than its length", &[("content-length", "9")], "hello"),
        post("h2-length-long", CL, "a body longer than its length", &[("content-length", "0")], SMUGGLED),
        post(
            "h2-length-twice",
            CL,
            "two lengths alike: the backend gets one",
            &[("content-length", "5"), ("content-length", "5")],
            "hello",
        )
        .answered(200)
        .sees(HELLO)
        .shows(&["content-length: 5"]),
        post(
            "h2-length-two",
            CL,
            "two lengths",
            &[("content-length", "5"), ("content-length", &size)],
            "hello",
        ),
        post("h2-length-plus", CL, "a length with a sign", &[("content-length", "+5")], "hello"),
        post("h2-length-list", CL, "a list of lengths", &[("content-length", "5, 5")], "hello"),
        fields("h2-length-head", CL, "a length without a body", &[("content-length", &size)]),
        Frames::new(
            "h2-get-body",
            "RFC 9110 9.3.1",
            "a body of GET",
            &[head(1, &PLAIN), last(1, "hello")],
            Answer(200),
        )
        .sees(&["GET /x hello"]),
        trailers("h2-trailers", "trailers", END_STREAM, &[("x-sum", "1")])
            .answered(200)
            .sees(HELLO)
            .shows(&["x-sum: 1"]),
        trailers(
            "h2-trailers-framing",
            "trailers of framing and Host",
            END_STREAM,
            &[("content-length", "9"), ("host", "evil")],
        )
        .answered(200)
        .sees(HELLO)
        .hides(&["evil", "content-length: 9"]),
        trailers(
            "h2-trailers-pseudo",
            "a pseudo-field among trailers: it goes no further",
            END_STREAM,
            &[(":path", "/y"), ("x-sum", "1")],
        )
        .answered(200)
        .sees(HELLO)
        .hides(&["/y"]),
        trailers("h2-trailers-no-end", "trailers that are not the end", 0, &[("x-sum", "1")]),
    ]);
    for row in &mut rows {
        if BREAKS_THE_CONNECTION.contains(&row.id) {
            row.fate = Goaway(ProtocolError);
        }
    }
    rows
}
