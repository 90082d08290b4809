//! `Transfer-Encoding` (RFC 9112 section 6.1).

use super::{Row, chunked, get, post};
use crate::http::framing::After;

const S: &str = "RFC 9112 6.1";
const TE_TE: &str = "PortSwigger TE.TE";
const HELLO: &[&str] = &["POST /x hello"];
const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";

pub(super) fn rows() -> Vec<Row> {
    let refused = |id, source, what, value: &str| {
        Row::refused(id, source, what, post(&format!("Transfer-Encoding:{value}\r\n"), BODY))
    };
    let unknown = |id, source, what, value: &str| refused(id, source, what, value).answers(&[501]);
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    vec![
        Row::served("chunked", S, "a chunked body", chunked(BODY), HELLO)
            .shows(&["transfer-encoding: chunked"]),
        Row::served("chunked-upper", S, "in upper case", post("Transfer-Encoding: CHUNKED\r\n", BODY), HELLO),
        Row::served(
            "chunked-get",
            "RFC 9110 9.3.1",
            "a chunked body of GET",
            get("Transfer-Encoding: chunked\r\n") + BODY,
            &["GET /x hello"],
        )
        .shows(&["transfer-encoding: chunked"]),
        Row::served(
            "cl-te",
            "PortSwigger CL.TE",
            "a length, then chunked: chunked it is, and what follows is not read",
            post(&format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", smuggled.len()), smuggled),
            &["POST /x"],
        )
        .then(After::Closed)
        .hides(&["content-length", "smuggled"]),
        Row::served(
            "te-cl",
            "PortSwigger TE.CL",
            "chunked, then a length: chunked it is, and what follows is not read",
            post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", &format!("5\r\nhello\r\n{smuggled}")),
            HELLO,
        )
        .then(After::Closed)
        .hides(&["content-length", "smuggled"]),
        Row::served(
            "te-cl-bad",
            S,
            "chunked, then a length that is none",
            post("Transfer-Encoding: chunked\r\nContent-Length: x\r\n", BODY),
            HELLO,
        )
        .then(After::Closed)
        .hides(&["content-length"]),
        Row::refused(
            "cl-bad-te",
            S,
            "a length that is none, then chunked",
            post("Content-Length: x\r\nTransfer-Encoding: chunked\r\n", BODY),
        ),
        Row::served(
            "cl-te-keep-alive",
            S,
            "both, and Connection: keep-alive",
            post("Connection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", BODY),
            HELLO,
        )
        .then(After::Closed)
        .hides(&["content-length"]),
        refused("te-identity", S, "identity", " identity"),
        refused("te-x", TE_TE, "a name that ends in chunked", " xchunked"),
        refused("te-suffix", TE_TE, "a name that begins with chunked", " chunkedx"),
        refused("te-chunk", TE_TE, "chunk", " chunk"),
        refused("te-chunked-gzip", S, "chunked, but not at the end", " chunked, gzip"),
        refused("te-parameter", S, "a parameter", " chunked;q=1"),
        refused("te-quoted", TE_TE, "in quotes", " \"chunked\""),
        refused("te-vertical-tab", TE_TE, "a vertical tab before it", " \x0bchunked"),
        refused("te-vertical-tab-end", TE_TE, "a vertical tab behind it", " chunked\x0b"),
        refused("te-nul", TE_TE, "NUL behind it", " chunked\0"),
        refused("te-cr", TE_TE, "CR before it", " \rchunked"),
        refused("te-empty", TE_TE, "nothing", ""),
        refused("te-nbsp", TE_TE, "a space that is not ASCII's", " \u{a0}chunked"),
        unknown("te-twice", S, "chunked twice", " chunked, chunked"),
        unknown(
            "te-gzip-chunked",
            S,
            "a coding inside, which the backend would not know of",
            " gzip, chunked",
        ),
        unknown("te-empty-member", TE_TE, "an empty member before it", " , chunked"),
        unknown("te-identity-chunked", TE_TE, "identity before it", " identity, chunked"),
        unknown("te-two-fields", TE_TE, "two fields", " identity\r\nTransfer-Encoding: chunked"),
        unknown("te-two-chunked", TE_TE, "two fields alike", " chunked\r\nTransfer-Encoding: chunked"),
        refused(
            "te-chunked-identity",
            TE_TE,
            "two fields, chunked first",
            " chunked\r\nTransfer-Encoding: identity",
        ),
        Row::served(
            "te-spaces",
            TE_TE,
            "spaces and tabs around it",
            post("Transfer-Encoding: \t chunked \t\r\n", BODY),
            HELLO,
        ),
        refused("te-fold", TE_TE, "on a folded line", "\r\n chunked"),
        Row::refused(
            "te-space-colon",
            TE_TE,
            "a space before the colon",
            post("Transfer-Encoding : chunked\r\n", BODY),
        ),
        Row::refused(
            "te-space-name",
            TE_TE,
            "a space before the name",
            post("X: y\r\n Transfer-Encoding: chunked\r\n", BODY),
        ),
        Row::served(
            "te-underscore",
            TE_TE,
            "an underscore in the name: another field",
            get("Transfer_Encoding: chunked\r\n"),
            &["GET /x"],
        )
        .shows(&["transfer_encoding: chunked"]),
        Row::refused(
            "te-1.0",
            S,
            "in HTTP/1.0",
            format!("POST /x HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{BODY}"),
        )
        .then(After::Closed),
        Row::served(
            "te-nominated",
            "RFC 9110 7.6.1",
            "named by Connection",
            post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", BODY),
            HELLO,
        ),
    ]
}
