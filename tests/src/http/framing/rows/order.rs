//! Several requests in one piece (RFC 9112 section 9.3.2), and the end (section 9.6).

use super::{Row, get, post};
use crate::http::framing::After;

const S: &str = "RFC 9112 9.3.2";
const CLOSE: &str = "RFC 9112 9.6";

pub(super) fn rows() -> Vec<Row> {
    let one = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    vec![
        Row::served(
            "pipeline",
            S,
            "three requests",
            one("/1", "") + &one("/2", "") + &one("/3", ""),
            &["GET /1", "GET /2", "GET /3"],
        )
        .answers(&[200, 200, 200]),
        Row::served(
            "pipeline-body",
            S,
            "a body before the next request",
            post("Content-Length: 5\r\n", "hello") + &one("/2", ""),
            &["POST /x hello", "GET /2"],
        )
        .answers(&[200, 200]),
        Row::served(
            "pipeline-chunked",
            S,
            "a chunked body before the next request",
            post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n") + &one("/2", ""),
            &["POST /x hello", "GET /2"],
        )
        .answers(&[200, 200]),
        Row::served(
            "pipeline-bad",
            S,
            "the second is bad",
            get("") + "GET /y HTTP/1.1\r\nHost : h\r\n\r\n",
            &["GET /x"],
        )
        .answers(&[200, 400])
        .then(After::Closed),
        Row::refused(
            "pipeline-first-bad",
            "RFC 9112 11.2",
            "the first is bad: the second is not read",
            one("/1", "Host: i\r\n") + &one("/2", ""),
        ),
        Row::served(
            "close-then-more",
            CLOSE,
            "Connection: close before another",
            one("/1", "Connection: close\r\n") + &one("/2", ""),
            &["GET /1"],
        )
        .then(After::Closed),
        Row::served(
            "close-keep-alive",
            CLOSE,
            "Connection: close, then keep-alive",
            one("/1", "Connection: close\r\nConnection: keep-alive\r\n") + &one("/2", ""),
            &["GET /1"],
        )
        .then(After::Closed),
        Row::served("close-half", CLOSE, "the client says that it has said all", one("/1", ""), &["GET /1"])
            .then(After::Ended),
        Row::refused(
            "cut-head",
            "RFC 9112 8",
            "an end within a header section",
            "GET / HTTP/1.1\r\nHost: h\r\n",
        )
        .answers(&[])
        .then(After::Ended),
        Row::refused("cut-nothing", "RFC 9112 8", "an end before anything", "")
            .answers(&[])
            .then(After::Ended),
        Row::refused("garbage-after", "RFC 9112 9.3", "bytes behind a request", get("") + "\0\0\0\0\r\n\r\n")
            .answers(&[200, 400])
            .sees(&["GET /x"]),
    ]
}
