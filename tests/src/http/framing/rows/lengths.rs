//! `Content-Length` (RFC 9112 section 6.2 and 6.3).

use super::{Row, get, post};
use crate::http::framing::After;

const S: &str = "RFC 9112 6.3";
const DESYNC: &str = "HTTP Desync Attacks";
const GARDEN: &str = "http-garden";
const HELLO: &[&str] = &["POST /x hello"];

pub(super) fn rows() -> Vec<Row> {
    let refused = |id, source, what, value: &str| {
        Row::refused(id, source, what, post(&format!("Content-Length: {value}\r\n"), "hello"))
    };
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    vec![
        Row::served("length", S, "a body of it", post("Content-Length: 5\r\n", "hello"), HELLO)
            .shows(&["content-length: 5"]),
        Row::refused(
            "length-two",
            S,
            "two that differ",
            post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
        ),
        Row::refused(
            "length-zero-first",
            "CL.CL",
            "0, then another",
            post(&format!("Content-Length: 0\r\nContent-Length: {}\r\n", smuggled.len()), smuggled),
        ),
        Row::served(
            "length-twice",
            S,
            "two alike: the backend gets one",
            post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
            HELLO,
        )
        .shows(&["content-length: 5"]),
        refused("length-list", S, "a list of one value", "5, 5"),
        refused("length-list-two", S, "a list of two values", "5, 6"),
        refused("length-plus", GARDEN, "a plus sign", "+5"),
        refused("length-minus", GARDEN, "a minus sign", "-5"),
        refused("length-hex", GARDEN, "a hexadecimal number", "0x5"),
        refused("length-octal", GARDEN, "an octal number", "0o5"),
        refused("length-underscore", GARDEN, "an underscore", "1_0"),
        refused("length-fraction", GARDEN, "a fraction", "5.0"),
        refused("length-exponent", GARDEN, "an exponent", "5e0"),
        refused("length-empty", GARDEN, "no number", ""),
        refused("length-inner-space", GARDEN, "a space between digits", "1 0"),
        refused("length-vertical-tab", GARDEN, "a vertical tab", "\x0b5"),
        refused("length-huge", GARDEN, "more than 64 bits", "18446744073709551616"),
        refused("length-largest", GARDEN, "the largest of 64 bits", "18446744073709551615").answers(&[431]),
        Row::served(
            "length-zeros",
            GARDEN,
            "leading zeros: the backend gets a plain number",
            post("Content-Length: 005\r\n", "hello"),
            HELLO,
        )
        .shows(&["content-length: 5"]),
        Row::refused(
            "length-space-colon",
            DESYNC,
            "a space before the colon",
            post("Content-Length : 5\r\n", "hello"),
        ),
        Row::refused(
            "length-short",
            "RFC 9112 8",
            "fewer bytes than announced",
            post("Content-Length: 9\r\n", "hello"),
        )
        .then(After::Ended)
        .broken(),
        Row::served(
            "length-get",
            "RFC 9110 9.3.1",
            "a body of GET",
            get("Content-Length: 5\r\n") + "hello",
            &["GET /x hello"],
        ),
        Row::served(
            "length-head",
            "RFC 9110 9.3.2",
            "a body of HEAD",
            "HEAD /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
            &["HEAD /x hello"],
        ),
        Row::served(
            "length-0-cl0",
            "PortSwigger CL.0",
            "a request in the body is a body",
            post(&format!("Content-Length: {}\r\n", smuggled.len()), smuggled),
            &["POST /x GET /smuggled HTTP/1.1\r\nHost: h"],
        ),
        Row::served(
            "length-0-get",
            "PortSwigger CL.0",
            "a request in the body of GET is a body",
            get(&format!("Content-Length: {}\r\n", smuggled.len())) + smuggled,
            &["GET /x GET /smuggled HTTP/1.1\r\nHost: h"],
        ),
        Row::served(
            "length-nominated",
            "RFC 9110 7.6.1",
            "named by Connection: it stays",
            post("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"),
            HELLO,
        )
        .shows(&["content-length: 5"]),
        Row::served("length-none", S, "a method with a body, without one", post("", ""), &["POST /x"]),
        Row::served(
            "length-1.0",
            S,
            "in HTTP/1.0",
            "POST /x HTTP/1.0\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
            HELLO,
        )
        .then(After::Closed),
    ]
}
