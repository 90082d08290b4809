//! A case of HTTP/2.

use super::wire::{END_HEADERS, END_STREAM, Kind, block, frame};

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// An answer of this status.
    Answer(u16),
    /// RST_STREAM with this code; the connection goes on.
    Reset(Code),
    /// GOAWAY with this code, and the end of the connection.
    Goaway(Code),
    /// RST_STREAM or GOAWAY with this code. The connection's window is as large as a stream's, and which of both is found
    /// exceeded depends on what the backend has read.
    Either(Code),
}

impl Fate {
    /// Whether the connection may end with it.
    #[must_use]
    pub const fn may_close(self) -> bool {
        matches!(self, Self::Goaway(_) | Self::Either(_))
    }
}

/// Error codes (RFC 9113 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "RFC 9113 section 7")]
pub enum Code {
    ProtocolError = 1,
    InternalError = 2,
    FlowControlError = 3,
    StreamClosed = 5,
    FrameSizeError = 6,
    RefusedStream = 7,
    Cancel = 8,
    CompressionError = 9,
    EnhanceYourCalm = 11,
}

/// What a client sends behind its preface and SETTINGS.
#[derive(Debug, Clone)]
pub struct Frames {
    /// Of docs/http-framing.md.
    pub id: &'static str,
    /// Where it is from.
    pub source: &'static str,
    /// What is wrong, or unusual.
    pub what: &'static str,
    /// The frames.
    pub sent: Vec<u8>,
    /// The stream whose answer counts.
    pub stream: u32,
    /// That.
    pub fate: Fate,
    /// What the backend sees, each as `METHOD target body`; `None`: nothing that comes to its end.
    pub seen: Option<&'static [&'static str]>,
    /// Lines that the backend sees in the header section.
    pub shows: &'static [&'static str],
    /// Text that it does not see there.
    pub hides: &'static [&'static str],
}

impl Frames {
    /// These frames, and what becomes of stream 1.
    pub fn new(
        id: &'static str,
        source: &'static str,
        what: &'static str,
        sent: &[Vec<u8>],
        fate: Fate,
    ) -> Self {
        Self { id, source, what, sent: sent.concat(), stream: 1, fate, seen: None, shows: &[], hides: &[] }
    }

    /// The backend sees these requests.
    #[must_use]
    pub fn sees(self, requests: &'static [&'static str]) -> Self {
        Self { seen: Some(requests), ..self }
    }

    /// The answer of this stream counts.
    #[must_use]
    pub fn on(self, stream: u32) -> Self {
        Self { stream, ..self }
    }

    /// The backend sees these lines.
    #[must_use]
    pub fn shows(self, shows: &'static [&'static str]) -> Self {
        Self { shows, ..self }
    }

    /// The backend does not see this text.
    #[must_use]
    pub fn hides(self, hides: &'static [&'static str]) -> Self {
        Self { hides, ..self }
    }

    /// What becomes of it, in the words of the page.
    #[must_use]
    pub fn fate(&self) -> String {
        match self.fate {
            Fate::Answer(status) => status.to_string(),
            Fate::Reset(code) => format!("RST_STREAM {}", code.name()),
            Fate::Goaway(code) => format!("GOAWAY {}", code.name()),
            Fate::Either(code) => format!("RST_STREAM or GOAWAY {}", code.name()),
        }
    }
}

impl Code {
    /// As the RFC writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProtocolError => "PROTOCOL_ERROR",
            Self::InternalError => "INTERNAL_ERROR",
            Self::FlowControlError => "FLOW_CONTROL_ERROR",
            Self::StreamClosed => "STREAM_CLOSED",
            Self::FrameSizeError => "FRAME_SIZE_ERROR",
            Self::RefusedStream => "REFUSED_STREAM",
            Self::Cancel => "CANCEL",
            Self::CompressionError => "COMPRESSION_ERROR",
            Self::EnhanceYourCalm => "ENHANCE_YOUR_CALM",
        }
    }
}

/// What every request has.
pub const PLAIN: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "h")];

/// The same with other values, or more fields.
#[must_use]
pub fn with<'a>(fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = PLAIN.to_vec();
    for field in fields {
        match all.iter_mut().find(|(name, _)| *name == field.0 && name.starts_with(':')) {
            Some(old) => *old = *field,
            None => all.push(*field),
        }
    }
    all
}

/// A request without a body.
#[must_use]
pub fn request(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(Kind::Headers, END_HEADERS | END_STREAM, stream, &block(fields))
}

/// The head of one with a body.
#[must_use]
pub fn head(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(Kind::Headers, END_HEADERS, stream, &block(fields))
}

/// A body's end.
#[must_use]
pub fn last(stream: u32, bytes: &str) -> Vec<u8> {
    frame(Kind::Data, END_STREAM, stream, bytes.as_bytes())
}
