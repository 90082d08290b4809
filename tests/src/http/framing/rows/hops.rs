//! What is between a client and us (RFC 9110 section 7.6.1).

use super::{Row, get, post};

const S: &str = "RFC 9110 7.6.1";

pub(super) fn rows() -> Vec<Row> {
    let served = |id, source, what, fields: &str| Row::served(id, source, what, get(fields), &["GET /x"]);
    vec![
        served("hop-named", S, "a field that Connection names", "Connection: X-Secret\r\nX-Secret: 1\r\n")
            .hides(&["x-secret"]),
        served("hop-named-case", S, "the same in another case", "CONNECTION: x-SECRET\r\nX-Secret: 1\r\n")
            .hides(&["x-secret"]),
        served(
            "hop-cookie",
            "hop-by-hop abuse",
            "Cookie named by Connection: it stays",
            "Connection: Cookie\r\nCookie: a=b\r\n",
        )
        .shows(&["cookie: a=b"]),
        served(
            "hop-authorization",
            "hop-by-hop abuse",
            "Authorization named by Connection: it stays",
            "Connection: Authorization\r\nAuthorization: b\r\n",
        )
        .shows(&["authorization: b"]),
        served(
            "hop-forwarded",
            "hop-by-hop abuse",
            "X-Forwarded-For named by Connection: ours is there",
            "Connection: X-Forwarded-For\r\n",
        )
        .shows(&["x-forwarded-for: 10.77.1.1"]),
        served("hop-keep-alive", S, "Keep-Alive", "Keep-Alive: timeout=5\r\n").hides(&["keep-alive"]),
        served(
            "hop-proxy",
            "RFC 9110 11.7",
            "Proxy-Connection and Proxy-Authorization",
            "Proxy-Connection: keep-alive\r\nProxy-Authorization: b\r\n",
        )
        .hides(&["proxy-"]),
        served(
            "hop-te",
            "RFC 9110 10.1.4",
            "TE: only trailers stays",
            "Connection: TE\r\nTE: gzip, trailers\r\n",
        )
        .shows(&["te: trailers"])
        .hides(&["gzip"]),
        served(
            "hop-upgrade-alone",
            "RFC 9110 7.8",
            "Upgrade that Connection does not name",
            "Upgrade: websocket\r\n",
        )
        .hides(&["upgrade"]),
        served(
            "hop-h2c",
            "h2c smuggling",
            "Upgrade: h2c",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        )
        .hides(&["upgrade", "http2-settings"]),
        served(
            "hop-h2c-list",
            "h2c smuggling",
            "Upgrade: websocket, h2c",
            "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        )
        .hides(&["upgrade"]),
        served("hop-expect", "RFC 9110 10.1.1", "an expectation that nobody knows", "Expect: nonsense\r\n")
            .hides(&["expect"]),
        Row::served(
            "hop-continue",
            "RFC 9110 10.1.1",
            "Expect: 100-continue: we say it",
            post("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
            &["POST /x hello"],
        )
        .answers(&[100, 200])
        .hides(&["expect"]),
        Row::served(
            "hop-continue-empty",
            "RFC 9110 10.1.1",
            "Expect: 100-continue without a body",
            get("Expect: 100-continue\r\n"),
            &["GET /x"],
        )
        .hides(&["expect"]),
    ]
}
