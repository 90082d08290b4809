//! A request as a backend gets it, read by the letter of RFC 9112: what a lenient reader could take in another way is a
//! fault.

use anyhow::{Result, ensure};

/// Fields that are not for a backend.
const OF_ANOTHER_CONNECTION: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "upgrade",
    "expect",
    "http2-settings",
];

/// Fields have these lines, and none of these words.
///
/// # Errors
/// Says what is not so.
pub fn compare(fields: &str, shows: &[&str], hides: &[&str]) -> Result<()> {
    for line in shows {
        ensure!(fields.split("\r\n").any(|it| it.eq_ignore_ascii_case(line)), "no {line:?} in {fields:?}");
    }
    for text in hides {
        ensure!(!fields.to_lowercase().contains(text), "{text:?} in {fields:?}");
    }
    Ok(())
}

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// Request line and fields, as they came.
    pub head: String,
    /// Without its framing.
    pub body: Vec<u8>,
    /// Fields behind a chunked body.
    pub trailers: String,
    /// It came to its end.
    pub is_whole: bool,
    /// What no sender should write.
    pub faults: Vec<String>,
}

impl Received {
    /// It breaks no rule, and its fields have these lines, and none of these words.
    ///
    /// # Errors
    /// Says what is not so.
    pub fn compare(&self, shows: &[&str], hides: &[&str]) -> Result<()> {
        ensure!(self.faults.is_empty(), "{:?} in {:?}", self.faults, self.head);
        compare(&format!("{}\r\n{}", self.head, self.trailers), shows, hides)
    }

    /// `METHOD target body`.
    #[must_use]
    pub fn summary(&self) -> String {
        let line = self.head.split("\r\n").next().unwrap_or_default();
        let line = line.strip_suffix(" HTTP/1.1").unwrap_or(line);
        let text = format!("{line} {}", String::from_utf8_lossy(&self.body));
        if self.is_whole { text.trim_end().to_owned() } else { format!("{text}...") }
    }

    /// Its target.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The values of a field.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Looks at the head and says what is wrong with it.
    fn of_head(head: &[u8]) -> Self {
        let head = String::from_utf8_lossy(head).into_owned();
        let mut request = Self { head, ..Self::default() };
        let mut faults = Vec::new();
        let mut lines = request.head.split("\r\n");
        let words: Vec<_> = lines.next().unwrap_or_default().split(' ').collect();
        if words.len() != 3 || words[2] != "HTTP/1.1" {
            faults.push(format!("request line {words:?}"));
        }
        for line in lines {
            let name = line.split(':').next().unwrap_or_default();
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if line.contains(['\r', '\n', '\0']) || !name.bytes().all(is_token) || name.is_empty() {
                faults.push(format!("line {line:?}"));
            }
            if OF_ANOTHER_CONNECTION.contains(&name.to_ascii_lowercase().as_str()) {
                faults.push(format!("field {line:?}"));
            }
        }
        let [lengths, codings, hosts] =
            ["content-length", "transfer-encoding", "host"].map(|name| request.values(name).count());
        if lengths + codings > 1 {
            faults.push(format!("{lengths} lengths and {codings} codings"));
        }
        if hosts != 1 {
            faults.push(format!("{hosts} hosts"));
        }
        if request.values("te").any(|te| te != "trailers") {
            faults.push("TE".to_owned());
        }
        request.faults = faults;
        request
    }

    /// The request that `bytes` begin with, and how many of them it has; one that is not whole where they end first.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> (Self, usize) {
        let Some(end) = find(bytes, b"\r\n\r\n") else { return (Self::of_head(bytes), bytes.len()) };
        let mut request = Self::of_head(&bytes[..end]);
        let rest = &bytes[end + 4..];
        let length = if request.values("transfer-encoding").next().is_some() {
            request.chunks(rest)
        } else {
            let announced = request.values("content-length").next();
            let length = announced.map_or(Ok(0), str::parse);
            length.ok().filter(|length| *length <= rest.len()).inspect(|length| {
                request.body = rest[..*length].to_vec();
            })
        };
        request.is_whole = length.is_some();
        (request, length.map_or(bytes.len(), |length| end + 4 + length))
    }

    /// Takes a chunked body and says how long it is, if it ends.
    fn chunks(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let line = find(&bytes[at..], b"\r\n")?;
            let digits = std::str::from_utf8(&bytes[at..at + line]).ok()?;
            let size = usize::from_str_radix(digits, 16).ok()?;
            at += line + 2;
            if size == 0 {
                let end =
                    if bytes[at..].starts_with(b"\r\n") { 0 } else { find(&bytes[at..], b"\r\n\r\n")? + 2 };
                self.trailers = String::from_utf8_lossy(&bytes[at..at + end]).into_owned();
                return bytes[at + end..].starts_with(b"\r\n").then_some(at + end + 2);
            }
            let chunk = bytes.get(at..at + size)?;
            bytes[at + size..].starts_with(b"\r\n").then_some(())?;
            self.body.extend_from_slice(chunk);
            at += size + 2;
        }
    }
}

/// Where `needle` begins.
#[must_use]
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
