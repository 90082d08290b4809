//! What a backend answers, byte for byte, and what a client gets of it.

/// What a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// An answer of this status with this body.
    Whole(u16, &'static str),
    /// One that visibly breaks off.
    Broken,
}

/// A backend's answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Of docs/http-framing.md.
    pub id: &'static str,
    /// Where it is from.
    pub source: &'static str,
    /// What is wrong, or unusual.
    pub what: &'static str,
    /// The method asked with.
    pub method: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The backend closes its connection behind it.
    pub closes: bool,
    /// At the client.
    pub got: Got,
    /// Text that the client does not see in the header section.
    pub hides: &'static [&'static str],
    /// Lines that it sees there.
    pub shows: &'static [&'static str],
}

impl Reply {
    fn new(id: &'static str, source: &'static str, what: &'static str, text: &str, got: Got) -> Self {
        let bytes = text.as_bytes().to_vec();
        Self { id, source, what, method: "GET", bytes, closes: false, got, hides: &[], shows: &[] }
    }

    fn closes(self) -> Self {
        Self { closes: true, ..self }
    }

    fn to(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    fn hides(self, hides: &'static [&'static str]) -> Self {
        Self { hides, ..self }
    }

    fn shows(self, shows: &'static [&'static str]) -> Self {
        Self { shows, ..self }
    }

    /// What becomes of it, in the words of the page.
    #[must_use]
    pub fn fate(&self) -> String {
        match self.got {
            Got::Whole(status, _) => status.to_string(),
            Got::Broken => "broken off".to_owned(),
        }
    }
}

const S: &str = "RFC 9112 6.3";
const S7: &str = "RFC 9112 7.1";
const S8: &str = "RFC 9112 8";
const HOP: &str = "RFC 9110 7.6.1";
const BAD: Got = Got::Whole(502, "the server behind this address could not be asked\n");
const HELLO: Got = Got::Whole(200, "hello");

/// An answer with these fields and what follows them.
fn ok(rest: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{rest}")
}

fn chunked(body: &str) -> String {
    ok(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"))
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Reply> {
    let second = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let many = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(3000);
    let mut rows = framed(second);
    rows.extend([
        Reply::new("reply-1xx", "RFC 9110 15.2", "103 before it: it goes no further", &("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_owned() + &ok("Content-Length: 5\r\n\r\nhello")), HELLO),
        Reply::new("reply-1xx-flood", "RFC 9110 15.2", "3,000 of them", &(many + &ok("Content-Length: 5\r\n\r\nhello")), HELLO),
        Reply::new("reply-101", "RFC 9110 7.8", "101, unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET", BAD),
        Reply::new("reply-204", S, "204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", Got::Whole(204, "")).hides(&["content-length"]),
        Reply::new("reply-304", S, "304 with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", Got::Whole(304, "")),
        Reply::new("reply-head", S, "the length of what HEAD leaves out", &ok("Content-Length: 500\r\n\r\n"), Got::Whole(200, "")).to("HEAD").shows(&["content-length: 500"]),
        Reply::new("reply-head-body", S, "a body to HEAD", &ok("Content-Length: 5\r\n\r\nhello"), Got::Whole(200, "")).to("HEAD"),
        Reply::new("reply-head-length-bad", S, "two lengths to HEAD: none goes on", &ok("Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), Got::Whole(200, "")).to("HEAD").hides(&["content-length"]),
        Reply::new("reply-hop", HOP, "what is between us and the backend", &ok("Connection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nhello"), HELLO)
            .hides(&["x-secret", "keep-alive", "proxy-"]),
        Reply::new("reply-hop-cookie", HOP, "Set-Cookie named by Connection: it stays", &ok("Connection: Set-Cookie\r\nSet-Cookie: a=b\r\nContent-Length: 5\r\n\r\nhello"), HELLO).shows(&["set-cookie: a=b"]),
        Reply::new("reply-fold", "RFC 9112 5.2", "a folded field", &ok("X-A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello"), BAD),
        Reply::new("reply-space-colon", "RFC 9112 5.1", "a space before a colon", &ok("X-A : b\r\nContent-Length: 5\r\n\r\nhello"), BAD),
        Reply::new("reply-nul", "RFC 9110 5.5", "NUL in a value", &ok("X-A: b\0c\r\nContent-Length: 5\r\n\r\nhello"), BAD),
        Reply::new("reply-cr", "header injection", "CR in a value", &ok("X-A: b\rSet-Cookie: evil=1\r\nContent-Length: 5\r\n\r\nhello"), BAD),
        Reply::new("reply-status", "RFC 9112 4", "a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello", BAD),
        Reply::new("reply-version", "RFC 9112 2.3", "HTTP/3.0", "HTTP/3.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", BAD),
        Reply::new("reply-0.9", "RFC 9112 4", "no head at all", "hello", BAD).closes(),
        Reply::new("reply-nothing", S8, "an end before anything", "", BAD).closes(),
        Reply::new("reply-cut-head", S8, "an end within the header section", "HTTP/1.1 200 OK\r\nX-A", BAD).closes(),
        Reply::new("reply-1.0", "RFC 9112 2.3", "HTTP/1.0, until its end", "HTTP/1.0 200 OK\r\n\r\nhello", HELLO).closes(),
        Reply::new("reply-1.0-chunked", "RFC 9112 6.1", "HTTP/1.0 with chunks", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BAD),
        Reply::new("reply-large", "RFC 9110 5.4", "a header section of 500,000 bytes", &ok(&format!("X-A: {}\r\nContent-Length: 5\r\n\r\nhello", "a".repeat(500_000))), BAD),
    ]);
    rows
}

fn framed(second: &str) -> Vec<Reply> {
    vec![
        Reply::new("reply-length", S, "a body of its length", &ok("Content-Length: 5\r\n\r\nhello"), HELLO),
        Reply::new("reply-chunked", S, "chunks", &chunked("5\r\nhello\r\n0\r\n\r\n"), HELLO),
        Reply::new("reply-until-end", S, "a body until its end", &ok("\r\nhello"), HELLO).closes(),
        Reply::new(
            "reply-both",
            S,
            "a length and chunks",
            &ok("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            BAD,
        ),
        Reply::new(
            "reply-length-two",
            S,
            "two lengths",
            &ok("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
            BAD,
        ),
        Reply::new(
            "reply-length-list",
            S,
            "one length twice, in a list: the client gets one",
            &ok("Content-Length: 5, 5\r\n\r\nhello"),
            HELLO,
        )
        .shows(&["content-length: 5"]),
        Reply::new(
            "reply-length-plus",
            S,
            "a length with a sign",
            &ok("Content-Length: +5\r\n\r\nhello"),
            BAD,
        ),
        Reply::new(
            "reply-length-short",
            S8,
            "fewer bytes than announced",
            &ok("Content-Length: 9\r\n\r\nhello"),
            Got::Broken,
        )
        .closes(),
        Reply::new(
            "reply-length-long",
            S,
            "more bytes than announced: they are nobody's answer",
            &(ok("Content-Length: 5\r\n\r\nhello") + second),
            HELLO,
        ),
        Reply::new(
            "reply-gzip-chunked",
            S,
            "a coding inside of the chunks",
            &ok("Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            BAD,
        ),
        Reply::new(
            "reply-gzip",
            S,
            "a coding without chunks",
            &ok("Transfer-Encoding: gzip\r\n\r\nhello"),
            BAD,
        )
        .closes(),
        Reply::new(
            "reply-chunk-bad",
            S7,
            "a chunk size that is no number",
            &chunked("5\r\nhello\r\nx\r\n"),
            Got::Broken,
        ),
        Reply::new(
            "reply-chunk-long",
            S7,
            "more data than the size says",
            &chunked("5\r\nhello!\r\n0\r\n\r\n"),
            Got::Broken,
        ),
        Reply::new(
            "reply-chunk-overflow",
            S7,
            "a size of more than 64 bits",
            &chunked("5\r\nhello\r\n10000000000000005\r\n"),
            Got::Broken,
        ),
        Reply::new("reply-chunk-no-end", S8, "no last chunk", &chunked("5\r\nhello\r\n"), Got::Broken)
            .closes(),
    ]
}
