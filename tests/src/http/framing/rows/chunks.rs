//! Chunks and trailers (RFC 9112 section 7).

use super::{Row, chunked, post};
use crate::http::framing::After;

const S: &str = "RFC 9112 7.1";
const EXT: &str = "RFC 9112 7.1.1";
const TRAILER: &str = "RFC 9112 7.1.2";
const GARDEN: &str = "http-garden";
const HELLO: &[&str] = &["POST /x hello"];

pub(super) fn rows() -> Vec<Row> {
    let refused = |id, source, what, body: &str| Row::refused(id, source, what, chunked(body)).broken();
    let served = |id, source, what, body: &str| Row::served(id, source, what, chunked(body), HELLO);
    let trailer = |id, what, fields: &str, hides| {
        let text = post(
            "Trailer: X-Sum, Host, Content-Length, Transfer-Encoding, Authorization\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n",
            &format!("5\r\nhello\r\n0\r\n{fields}\r\n"),
        );
        Row::served(id, TRAILER, what, text, HELLO).hides(hides)
    };
    vec![
        served("chunk-two", S, "two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
        served("chunk-zeros", S, "leading zeros", "0005\r\nhello\r\n000\r\n\r\n"),
        served(
            "chunk-extension",
            EXT,
            "an extension: the backend does not get it",
            "5;a=b\r\nhello\r\n0;c\r\n\r\n",
        ),
        served("chunk-space", GARDEN, "a space behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
        refused("chunk-extension-lf", "TERM.EXT", "LF in an extension", "5;a\nhello\r\n0\r\n\r\n"),
        refused(
            "chunk-extension-long",
            EXT,
            "an extension of 20,000 bytes",
            &format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(20_000)),
        ),
        refused("chunk-lf", "EXT.TERM", "LF alone behind the size", "5\nhello\r\n0\r\n\r\n"),
        refused("chunk-cr", GARDEN, "CR alone behind the size", "5\rhello\r\n0\r\n\r\n"),
        refused("chunk-data-lf", GARDEN, "LF alone behind the data", "5\r\nhello\n0\r\n\r\n"),
        refused("chunk-data-none", S, "nothing behind the data", "5\r\nhello0\r\n\r\n"),
        refused("chunk-data-long", S, "more data than the size says", "5\r\nhello!\r\n0\r\n\r\n"),
        refused("chunk-minus", GARDEN, "a minus sign", "-5\r\nhello\r\n0\r\n\r\n"),
        refused("chunk-plus", GARDEN, "a plus sign", "+5\r\nhello\r\n0\r\n\r\n"),
        refused("chunk-0x", GARDEN, "0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        refused("chunk-underscore", GARDEN, "an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
        refused("chunk-space-before", GARDEN, "a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        refused("chunk-empty", S, "no size", "\r\nhello\r\n0\r\n\r\n"),
        refused(
            "chunk-overflow",
            S,
            "a size of more than 64 bits",
            "10000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        refused("chunk-letters", S, "a size that is no number", "xyz\r\nhello\r\n0\r\n\r\n"),
        refused("chunk-nul", GARDEN, "NUL behind the size", "5\0\r\nhello\r\n0\r\n\r\n"),
        Row::refused("chunk-no-end", "RFC 9112 8", "no last chunk", chunked("5\r\nhello\r\n"))
            .then(After::Ended)
            .broken(),
        Row::refused("chunk-half", "RFC 9112 8", "an end within a chunk", chunked("9\r\nhello"))
            .then(After::Ended)
            .broken(),
        trailer("trailer", "one that was announced", "X-Sum: 1\r\n", &[]).shows(&["x-sum: 1"]),
        trailer("trailer-length", "Content-Length", "Content-Length: 9\r\n", &["content-length: 9"]),
        trailer("trailer-coding", "Transfer-Encoding", "Transfer-Encoding: gzip\r\n", &["gzip"]),
        trailer("trailer-host", "Host", "Host: evil\r\n", &["evil"]),
        trailer("trailer-authorization", "Authorization", "Authorization: evil\r\n", &["evil"]),
        trailer("trailer-other", "one that was not announced", "X-Evil: evil\r\n", &["evil\r", "x-evil"]),
        trailer("trailer-cookie", "Cookie", "Cookie: evil=1\r\n", &["evil"]),
        refused("trailer-bad", TRAILER, "one without a colon", "5\r\nhello\r\n0\r\nX-Sum\r\n\r\n"),
        refused("trailer-fold", TRAILER, "a folded one", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n"),
    ]
}
