//! `Host` (RFC 9112 section 3.2).

use super::Row;
use crate::http::framing::After;

const S: &str = "RFC 9112 3.2";

fn with(line: &str, hosts: &str) -> String {
    format!("{line}\r\n{hosts}\r\n")
}

pub(super) fn rows() -> Vec<Row> {
    let get = "GET /x HTTP/1.1";
    let refused = |id, what, hosts: &str| Row::refused(id, S, what, with(get, hosts));
    vec![
        refused("host-missing", "none", ""),
        refused("host-two", "two that differ", "Host: a\r\nHost: b\r\n"),
        refused("host-twice", "two alike", "Host: a\r\nHost: a\r\n"),
        refused("host-list", "a list", "Host: a, b\r\n"),
        refused("host-user", "a user in it", "Host: u@h\r\n"),
        refused("host-path", "a slash in it", "Host: h/x\r\n"),
        refused("host-space", "a space in it", "Host: a b\r\n"),
        refused("host-query", "a question mark in it", "Host: h?x\r\n"),
        refused("host-port", "a port that is none", "Host: h:80:80\r\n"),
        Row::refused(
            "host-missing-absolute",
            S,
            "none, though the target has one",
            with("GET http://h/x HTTP/1.1", ""),
        ),
        Row::refused(
            "host-bad-absolute",
            S,
            "two, though the target has one",
            with("GET http://h/x HTTP/1.1", "Host: a\r\nHost: b\r\n"),
        ),
        Row::refused(
            "host-user-absolute",
            S,
            "a user in it, though the target has one",
            with("GET http://h/x HTTP/1.1", "Host: u@h\r\n"),
        ),
        Row::served("host-empty", S, "an empty one", with(get, "Host:\r\n"), &["GET /x"]),
        Row::served(
            "host-address",
            S,
            "an address and a port",
            with(get, "Host: [2001:db8::1]:8080\r\n"),
            &["GET /x"],
        )
        .shows(&["host: [2001:db8::1]:8080"]),
        Row::served(
            "host-nominated",
            "RFC 9110 7.6.1",
            "named by Connection: it stays",
            with(get, "Host: h\r\nConnection: Host\r\n"),
            &["GET /x"],
        )
        .shows(&["host: h"]),
        Row::served(
            "host-missing-1.0",
            S,
            "none, in HTTP/1.0: the backend gets the address that was called",
            with("GET /x HTTP/1.0", ""),
            &["GET /x"],
        )
        .then(After::Closed)
        .shows(&["host: 10.77.0.10:80"]),
    ]
}
