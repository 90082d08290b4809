//! Frames and header blocks (RFC 9113 section 4, RFC 7541), written without asking whether they make sense.

use anyhow::{Context as _, Result, bail};

/// What a client says first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Of HEADERS and DATA.
pub const END_STREAM: u8 = 1;
/// Of SETTINGS and PING.
pub const ACK: u8 = 1;
/// Of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 4;
/// Of HEADERS and DATA.
pub const PADDED: u8 = 8;
/// Of HEADERS.
pub const PRIORITY: u8 = 32;

/// Types of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "RFC 9113 section 6")]
pub enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    Push,
    Ping,
    Goaway,
    Window,
    Continuation,
    Unknown = 0xbe,
}

/// A frame.
#[must_use]
pub fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("frames have 24 bits for their length");
    [&length.to_be_bytes()[1..], &[kind as u8, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block: each field as a literal that is not to be remembered.
#[must_use]
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A number of 7 bits and more (RFC 7541 section 5.1).
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(length as u8);
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(rest as u8 | 128);
        rest >>= 7;
    }
    block.push(rest as u8);
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// The rest.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Takes the first frame out of `buffer`, if it is whole.
    pub fn take(buffer: &mut Vec<u8>) -> Option<Self> {
        let &[a, b, c, kind, flags, d, e, f, g] = buffer.first_chunk::<9>()?;
        let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        if buffer.len() < end {
            return None;
        }
        let bytes: Vec<_> = buffer.drain(..end).collect();
        Some(Self { kind, flags, stream: u32::from_be_bytes([d, e, f, g]), payload: bytes[9..].to_vec() })
    }

    /// The error code of RST_STREAM or GOAWAY.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let at = if self.kind == Kind::Goaway as u8 { 4 } else { 0 };
        Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().ok()?))
    }

    /// The status that a HEADERS frame begins with.
    pub fn status(&self) -> Result<u16> {
        match *self.payload.as_slice() {
            // Of the static table.
            [index @ 0x88..=0x8e, ..] => Ok([200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)]),
            // A name of it, and a value.
            [0x48, length, ref value @ ..] if length & 0x80 == 0 => {
                Ok(std::str::from_utf8(value.get(..usize::from(length)).context("cut short")?)?.parse()?)
            }
            [0x48, length, ref value @ ..] => {
                digits(value.get(..usize::from(length & 0x7f)).context("cut short")?)
            }
            _ => bail!("no status first: {:x?}", self.payload),
        }
    }
}

/// Three digits in Huffman's code (RFC 7541 appendix B): 5 bits for 0, 1 and 2, and 6 for the others.
fn digits(bytes: &[u8]) -> Result<u16> {
    let bits: Vec<u16> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let number = |bits: &[u16]| bits.iter().fold(0, |sum, bit| sum << 1 | bit);
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let short = number(bits.get(at..at + 5).context("cut short")?);
        let (digit, length) =
            if short < 3 { (short, 5) } else { (number(bits.get(at..at + 6).context("cut short")?) - 22, 6) };
        status = status * 10 + digit;
        at += length;
    }
    Ok(status)
}
