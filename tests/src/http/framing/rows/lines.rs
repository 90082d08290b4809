//! Request lines (RFC 9112 sections 2 and 3).

use super::Row;
use crate::http::framing::After;

const S2: &str = "RFC 9112 2.2";
const S23: &str = "RFC 9112 2.3";
const S3: &str = "RFC 9112 3";
const S32: &str = "RFC 9112 3.2";
const GARDEN: &str = "http-garden";

fn line(line: &str) -> String {
    format!("{line}\r\nHost: h\r\n\r\n")
}

pub(super) fn rows() -> Vec<Row> {
    let refused = |id, source, what, text: &str| Row::refused(id, source, what, line(text));
    let served = |id, source, what, text: &str, seen| Row::served(id, source, what, line(text), seen);
    vec![
        served("line-plain", S3, "nothing unusual", "GET /a?b=c HTTP/1.1", &["GET /a?b=c"]),
        Row::served(
            "line-empty-before",
            S2,
            "an empty line before it",
            "\r\n".to_owned() + &line("GET / HTTP/1.1"),
            &["GET /"],
        ),
        Row::refused("line-space-before", GARDEN, "a space before it", line(" GET / HTTP/1.1")),
        Row::served(
            "line-bare-lf",
            S2,
            "lines that end in LF: the backend gets CRLF",
            "GET / HTTP/1.1\nHost: h\n\n",
            &["GET /"],
        ),
        Row::refused("line-bare-cr", S2, "CR without LF behind it", "GET / HTTP/1.1\rHost: h\r\n\r\n"),
        refused("line-tabs", S3, "tabs between its words", "GET\t/\tHTTP/1.1"),
        refused("line-many-spaces", S3, "two spaces before the target", "GET  / HTTP/1.1"),
        refused("line-space-in-target", S32, "a space in the target", "GET /a b HTTP/1.1"),
        refused("line-trailing-space", S3, "a space at its end", "GET / HTTP/1.1 "),
        refused("line-two-versions", GARDEN, "two versions", "GET / HTTP/1.1 HTTP/1.1"),
        refused("line-nul", GARDEN, "NUL in the target", "GET /\0 HTTP/1.1"),
        refused("line-control", GARDEN, "a control character in the target", "GET /\x01 HTTP/1.1"),
        refused("version-0.9", S23, "HTTP/0.9: no version", "GET /"),
        refused("version-1.2", S23, "HTTP/1.2", "GET / HTTP/1.2"),
        refused("version-2.0", S23, "HTTP/2.0 in a request line", "GET / HTTP/2.0"),
        refused("version-1.10", GARDEN, "HTTP/1.10", "GET / HTTP/1.10"),
        refused("version-lower", S23, "a version in lower case", "GET / http/1.1"),
        served("version-1.0", S23, "HTTP/1.0", "GET / HTTP/1.0", &["GET /"]).then(After::Closed),
        refused("method-empty", S3, "no method", " / HTTP/1.1"),
        refused("method-separator", S3, "a method that is no token", "GE(T / HTTP/1.1"),
        refused("method-colon", GARDEN, "a field where the method is due", "Host: h"),
        served(
            "method-lower",
            "RFC 9110 9.1",
            "a method of its own in lower case",
            "get / HTTP/1.1",
            &["get /"],
        ),
        served(
            "method-unknown",
            "RFC 9110 9.1",
            "a method that nobody knows",
            "BREW /pot HTTP/1.1",
            &["BREW /pot"],
        ),
        refused("target-authority", S32, "authority form, not CONNECT", "GET h:80 HTTP/1.1"),
        refused("target-asterisk", S32, "asterisk form, not OPTIONS", "GET * HTTP/1.1"),
        served("target-options", S32, "asterisk form, OPTIONS", "OPTIONS * HTTP/1.1", &["OPTIONS *"]),
        refused("target-relative", S32, "a path without its slash", "GET x HTTP/1.1"),
        refused("target-backslash", GARDEN, "a backslash where the slash is due", "GET \\x HTTP/1.1"),
        refused("target-query", GARDEN, "a query alone", "GET ?x HTTP/1.1"),
        refused("connect", "RFC 9110 9.3.6", "CONNECT", "CONNECT h:80 HTTP/1.1").answers(&[405]),
        refused("connect-path", "RFC 9110 9.3.6", "CONNECT with a path", "CONNECT / HTTP/1.1")
            .answers(&[405]),
        served(
            "target-absolute",
            S32,
            "absolute form: the backend gets a path",
            "GET http://h/a?b HTTP/1.1",
            &["GET /a?b"],
        )
        .shows(&["host: h"]),
        served(
            "target-absolute-other",
            S32,
            "absolute form with another Host, which loses",
            "GET http://other/a HTTP/1.1",
            &["GET /a"],
        )
        .shows(&["host: other"])
        .hides(&["host: h"]),
        refused("target-scheme", S32, "absolute form of another scheme", "GET ftp://h/a HTTP/1.1"),
        refused(
            "target-userinfo",
            "RFC 9110 4.2.4",
            "absolute form with a user",
            "GET http://u:p@h/a HTTP/1.1",
        ),
        served(
            "target-dots",
            "RFC 9112 3.2",
            "dots and escapes in the path stay",
            "GET /a/../%2e%2e//b HTTP/1.1",
            &["GET /a/../%2e%2e//b"],
        ),
        Row::refused(
            "target-too-long",
            "RFC 9112 3",
            "a target of 65,535 bytes",
            line(&format!("GET /{} HTTP/1.1", "a".repeat(65_534))),
        )
        .answers(&[431]),
        Row::refused(
            "tls-hello",
            GARDEN,
            "TLS where none is served",
            b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n".to_vec(),
        ),
    ]
}
