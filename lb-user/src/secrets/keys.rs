//! The keys that cookies are sealed with: shared by the nodes of a site, and replaced in turn.
//!
//! To rotate, put a new key in front on all nodes, and drop the old one once the longest session has ended.

use std::fmt;

use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};

/// Bytes of a key.
const SECRET: usize = 32;
/// Keys that a file may have. Rotation needs two or three.
const MOST: usize = 16;
/// Bytes that a configured secret needs. Deriving a key is fast, and so is guessing a short secret from a cookie.
const SHORTEST: usize = 32;
/// Says which key of which program is derived, so that a secret used elsewhere gives another key there.
const PURPOSE: &[u8] = b"limpet cookie key 1";

/// An ordered list of keys, never empty: the first seals, all open.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) secret: [u8; SECRET],
    /// A byte of the key's digest: tells which key to try, and nothing of use about the key.
    pub(crate) hint: u8,
}

/// Why a text holds no usable keys. Lines count from 1; what is in them is a secret and is not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// There is no line with a key.
    #[error("no key; write one with `openssl rand -hex 32`")]
    Empty,
    /// A line is not a key.
    #[error(
        "line {line} has {found} characters, a key has 64 hex digits; write one with `openssl rand -hex 32`"
    )]
    Length {
        /// Which one.
        line: usize,
        /// Characters that it has, without blanks around them.
        found: usize,
    },
    /// A line has the length of a key, and a character that is no hex digit.
    #[error(
        "line {line}: character {column} is no hex digit (0-9, a-f); write a key with `openssl rand -hex 32`"
    )]
    Digit {
        /// Which one.
        line: usize,
        /// The first such character, from 1, blanks in front not counted.
        column: usize,
    },
    /// A key is there twice.
    #[error("line {line} repeats the key of line {first}; remove one of them")]
    Duplicate {
        /// The second one.
        line: usize,
        /// The first one.
        first: usize,
    },
    /// There are more than 16.
    #[error("line {line} is the 17th key, and 16 is the most; remove old ones from the end")]
    TooMany {
        /// The first one that is too many.
        line: usize,
    },
    /// A secret is so short that it can be guessed.
    #[error(
        "the secret has {found} bytes and needs {SHORTEST} at least; write one with `openssl rand -hex 32`"
    )]
    Short {
        /// Bytes that it has.
        found: usize,
    },
}

impl Keys {
    /// Reads a key a line, of 64 hex digits each; blank lines and those that start with `#` don't count.
    ///
    /// # Errors
    /// A line is no key or is there twice, or there are none or more than 16.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys: Vec<(usize, Key)> = Vec::new();
        for (line, content) in (1..).zip(text.lines().map(str::trim)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            let key = Key::new(secret(line, content)?);
            if let Some(&(first, _)) = keys.iter().find(|(_, other)| *other == key) {
                return Err(KeysError::Duplicate { line, first });
            }
            if keys.len() == MOST {
                return Err(KeysError::TooMany { line });
            }
            keys.push((line, key));
        }
        if keys.is_empty() {
            return Err(KeysError::Empty);
        }
        Ok(Self(keys.into_iter().map(|(_, key)| key).collect()))
    }

    /// The key that nodes with the same configured secret share (HKDF-SHA256, RFC 5869).
    ///
    /// # Errors
    /// The secret is shorter than 32 bytes.
    pub fn from_secret(secret: &str) -> Result<Self, KeysError> {
        if secret.len() < SHORTEST {
            return Err(KeysError::Short { found: secret.len() });
        }
        let mut derived = [0; SECRET];
        Hkdf::<Sha256>::new(None, secret.as_bytes())
            .expand(PURPOSE, &mut derived)
            .expect("it can give 8,160 bytes");
        Ok(Self(vec![Key::new(derived)]))
    }

    /// A new key that nobody else has.
    pub fn random() -> Self {
        Self(vec![Key::new(rand::random())])
    }

    /// What [`Keys::parse`] reads. It is secret: for a file that only the daemon can read.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * (2 * SECRET + 1));
        for key in &self.0 {
            let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("half a byte");
            text.extend(key.secret.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]));
            text.push('\n');
        }
        text
    }

    /// The one that seals.
    pub(crate) fn first(&self) -> &Key {
        &self.0[0]
    }

    /// Those that may have sealed what carries this hint: nearly always one or none.
    pub(crate) fn hinted(&self, hint: u8) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| key.hint == hint)
    }
}

/// Without what is secret.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| key.hint)).finish()
    }
}

impl Key {
    fn new(secret: [u8; SECRET]) -> Self {
        Self { secret, hint: Sha256::digest(secret)[0] }
    }
}

fn secret(line: usize, text: &str) -> Result<[u8; SECRET], KeysError> {
    let found = text.chars().count();
    if found != 2 * SECRET {
        return Err(KeysError::Length { line, found });
    }
    let mut secret = [0; SECRET];
    for (index, digit) in text.chars().enumerate() {
        let digit = digit.to_digit(16).ok_or(KeysError::Digit { line, column: index + 1 })?;
        secret[index / 2] = secret[index / 2] << 4 | digit as u8;
    }
    Ok(secret)
}

#[cfg(test)]
mod tests;
