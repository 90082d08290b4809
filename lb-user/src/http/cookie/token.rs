//! The value of Limpet's own cookie: who serves this client and since when, readable only to those with the keys.
//!
//! ```text
//! 0  version          2  nonce: random                       26 claims, encrypted                   54 tag
//! 1  hint of the key     (so long that nodes with the same
//!                        keys need not agree on them)
//! ```
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) over [`Claims`], in base64 for URLs (RFC 4648, section 5) without
//! padding. The scope is authenticated with it and not inside: a token of another service does not open.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20::{R20, hchacha};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::secrets::{Key, Keys};

/// Of the layout. Another one is not ours to read.
const VERSION: u8 = 1;
const NONCE: usize = 24;
const CLAIMS: usize = 28;
const TAG: usize = 16;
const BYTES: usize = 2 + NONCE + CLAIMS + TAG;
/// Characters of a token: all have the same number.
const CHARACTERS: usize = (BYTES * 8).div_ceil(6);

/// What a token says. Times are in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// Digest of the backend's name.
    pub backend: u64,
    /// Digest of the backend's address and port: the same name at another address is another server.
    pub server: u32,
    /// When the session began.
    pub issued: u64,
    /// When it was used last, as far as this token knows.
    pub used: u64,
}

/// Why a token says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has not the form of a token, or that of another version.
    #[error("not a token")]
    Malformed,
    /// It was changed, is of another scope, or was sealed with a key that is not among ours.
    #[error("sealed by nobody we know, or for another service")]
    Forged,
}

impl Keys {
    /// The token for `claims`, good for this scope: the digest of a service's or a group's name.
    pub fn seal(&self, scope: u64, claims: &Claims) -> String {
        let key = self.first();
        let (head, nonce) = ([VERSION, key.hint], rand::random::<[u8; NONCE]>());
        let mut sealed = claims.to_bytes();
        let (cipher, rest) = cipher(key, &nonce);
        let tag = cipher
            .seal_in_place_separate_tag(rest, Aad::from(context(head, scope)), &mut sealed)
            .expect("28 bytes are not too many");
        let mut token = [0; BYTES];
        let parts = [&head, &nonce[..], &sealed, tag.as_ref()].into_iter().flatten();
        token.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// What a token says that was sealed for this scope with one of these keys.
    ///
    /// # Errors
    /// It is no token, or not one of ours.
    pub fn open(&self, scope: u64, token: &str) -> Result<Claims, Refused> {
        let mut bytes = [0; BYTES];
        if token.len() != CHARACTERS || URL_SAFE_NO_PAD.decode_slice(token, &mut bytes) != Ok(BYTES) {
            return Err(Refused::Malformed);
        }
        let (head, rest) = split::<2>(&bytes);
        let (nonce, rest) = split::<NONCE>(rest);
        let (sealed, _) = split::<{ CLAIMS + TAG }>(rest);
        let [version, hint] = *head;
        if version != VERSION {
            return Err(Refused::Malformed);
        }
        let open = |key| {
            let mut opened = *sealed;
            let (cipher, rest) = cipher(key, nonce);
            let claims = cipher.open_in_place(rest, Aad::from(context(*head, scope)), &mut opened).ok()?;
            Some(Claims::from_bytes(split(claims).0))
        };
        self.hinted(hint).find_map(open).ok_or(Refused::Forged)
    }
}

impl Claims {
    fn to_bytes(self) -> [u8; CLAIMS] {
        let Self { backend, server, issued, used } = self;
        let mut bytes = [0; CLAIMS];
        bytes[..8].copy_from_slice(&backend.to_le_bytes());
        bytes[8..12].copy_from_slice(&server.to_le_bytes());
        bytes[12..20].copy_from_slice(&issued.to_le_bytes());
        bytes[20..].copy_from_slice(&used.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; CLAIMS]) -> Self {
        let (backend, rest) = split(bytes);
        let (server, rest) = split(rest);
        let (issued, rest) = split(rest);
        let (used, _) = split(rest);
        Self {
            backend: u64::from_le_bytes(*backend),
            server: u32::from_le_bytes(*server),
            issued: u64::from_le_bytes(*issued),
            used: u64::from_le_bytes(*used),
        }
    }
}

/// XChaCha20-Poly1305 is ChaCha20-Poly1305 with a key of its own for the first 16 bytes of each nonce, and the rest of it.
// A crate that has the whole of it takes 1.7 us for a token, ring's share and this take 0.3: it is opened at each request.
fn cipher(key: &Key, nonce: &[u8; NONCE]) -> (LessSafeKey, Nonce) {
    let (first, last) = split::<16>(nonce);
    let derived = hchacha::<R20>(&key.secret.into(), first.into());
    let key = UnboundKey::new(&CHACHA20_POLY1305, &derived).expect("a key of 32 bytes");
    let mut rest = [0; 12];
    rest[4..].copy_from_slice(last);
    (LessSafeKey::new(key), Nonce::assume_unique_for_key(rest))
}

/// What is authenticated and not encrypted. The scope is not even in the token.
fn context(head: [u8; 2], scope: u64) -> [u8; 10] {
    let mut context = [0; 10];
    context[..2].copy_from_slice(&head);
    context[2..].copy_from_slice(&scope.to_le_bytes());
    context
}

/// The first bytes and the rest. There are enough: lengths here are constants that add up.
fn split<const N: usize>(bytes: &[u8]) -> (&[u8; N], &[u8]) {
    bytes.split_first_chunk().expect("a token's parts add up to its length")
}

#[cfg(test)]
mod tests;
