//! Fields (RFC 9112 sections 5 and 2.2).

use super::{Row, get};

const S5: &str = "RFC 9112 5";
const S51: &str = "RFC 9112 5.1";
const S52: &str = "RFC 9112 5.2";
const S55: &str = "RFC 9110 5.5";
const GARDEN: &str = "http-garden";

pub(super) fn rows() -> Vec<Row> {
    let refused = |id, source, what, fields: &str| Row::refused(id, source, what, get(fields));
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: 1\r\n")).collect::<String>();
    vec![
        refused("field-fold", S52, "folded", "X-A: b\r\n c\r\n"),
        refused("field-fold-tab", S52, "folded with a tab", "X-A: b\r\n\tc\r\n"),
        Row::refused(
            "field-fold-first",
            "RFC 9112 2.2",
            "a space before the first",
            "GET / HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n",
        ),
        refused("field-space-colon", S51, "a space before the colon", "X-A : b\r\n"),
        refused("field-tab-colon", S51, "a tab before the colon", "X-A\t: b\r\n"),
        refused("field-no-colon", S5, "no colon", "X-A\r\n"),
        refused("field-no-name", S5, "no name", ": b\r\n"),
        refused("field-name-control", GARDEN, "a control character in a name", "X\x01A: b\r\n"),
        refused("field-name-nul", GARDEN, "NUL in a name", "X\0A: b\r\n"),
        refused("field-name-high", GARDEN, "a name beyond ASCII", "X\u{e9}: b\r\n"),
        refused("field-nul", S55, "NUL in a value", "X-A: b\0c\r\n"),
        refused("field-cr", S55, "CR in a value", "X-A: b\rContent-Length: 5\r\n"),
        refused("field-control", S55, "a control character in a value", "X-A: b\x01c\r\n"),
        refused("field-del", S55, "DEL in a value", "X-A: b\x7fc\r\n"),
        Row::served(
            "field-lf",
            "RFC 9112 2.2",
            "LF in a value begins the next field",
            get("X-A: b\nX-C: d\r\n"),
            &["GET /x"],
        )
        .shows(&["x-a: b", "x-c: d"]),
        Row::served(
            "field-high",
            S55,
            "bytes beyond ASCII in a value stay",
            get("X-A: \u{e9}\r\n"),
            &["GET /x"],
        )
        .shows(&["x-a: \u{e9}"]),
        Row::served("field-empty", S5, "an empty value", get("X-A:\r\n"), &["GET /x"]).shows(&["x-a: "]),
        Row::served("field-spaces", S5, "spaces around a value go", get("X-A: \t b \t\r\n"), &["GET /x"])
            .shows(&["x-a: b"]),
        refused("fields-too-many", "RFC 9110 5.4", "more than 100", &many(100)).answers(&[431]),
        refused(
            "fields-too-large",
            "RFC 6585 5",
            "more than `max_header`",
            &format!("X-A: {}\r\n", "a".repeat(70_000)),
        )
        .answers(&[431]),
        Row::served(
            "cookie-twice",
            "RFC 9113 8.2.3",
            "two Cookie fields: the backend gets one",
            get("Cookie: a=b\r\nCookie: c=d\r\n"),
            &["GET /x"],
        )
        .shows(&["cookie: a=b; c=d"]),
    ]
}
