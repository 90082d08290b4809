//! The cases, by what they are about.

mod chunks;
mod codings;
mod fields;
mod hops;
mod hosts;
mod lengths;
mod lines;
mod order;

use super::Row;

/// All of them.
#[must_use]
pub fn all() -> Vec<Row> {
    [
        lines::rows(),
        hosts::rows(),
        fields::rows(),
        lengths::rows(),
        codings::rows(),
        chunks::rows(),
        hops::rows(),
        order::rows(),
    ]
    .concat()
}

/// A request without a body.
fn get(fields: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: h\r\n{fields}\r\n")
}

/// A request with these fields and what follows them.
fn post(fields: &str, rest: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: h\r\n{fields}\r\n{rest}")
}

/// A request with a chunked body.
fn chunked(rest: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", rest)
}
