//! One configuration of connection ids, as servers and balancers share it: making ids, and the map's entry
//! to read them with.

use std::fmt;

use super::{aes, id};
use crate::state::quic::{Block, CidConfig, CidMode, CidOctets};

/// A key of AES-128. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub [u8; 16]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// How ids are made (draft-ietf-quic-load-balancers-21 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scheme {
    /// Value of the rotation bits, 0 to 6; 7 says that an id is not routable.
    rotation: u8,
    /// Octets of the server id, 1 to 15.
    server_length: u8,
    /// Octets of the nonce, at least 4.
    nonce_length: u8,
    /// `None`: ids are not enciphered.
    key: Option<Key>,
}

/// What a [`Scheme`] can't be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// The rotation bits are above 6.
    Rotation,
    /// The server id is shorter than 1 octet or longer than 15.
    ServerId,
    /// The nonce is shorter than 4 octets.
    Nonce,
    /// Together they have more than 19 octets.
    Sum,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rotation => "a configuration's number is 0 to 6: 7 marks ids that lead nowhere",
            Self::ServerId => "a server id has 1 to 15 octets",
            Self::Nonce => "a nonce has at least 4 octets",
            Self::Sum => "server id and nonce have 19 octets at most together",
        })
    }
}

impl std::error::Error for Unfit {}

impl Scheme {
    /// Octets of server id and nonce at most: QUIC version 1 has ids of 20.
    pub const LONGEST: u8 = 19;
    /// Octets of a server id at most.
    pub const LONGEST_SERVER_ID: u8 = 15;
    /// Octets of a nonce at least.
    pub const SHORTEST_NONCE: u8 = 4;
    /// The largest value of the rotation bits.
    pub const LAST_ROTATION: u8 = 6;

    /// A scheme within the draft's bounds.
    ///
    /// # Errors
    /// Which bound is broken.
    pub fn new(rotation: u8, server_length: u8, nonce_length: u8, key: Option<Key>) -> Result<Self, Unfit> {
        if rotation > Self::LAST_ROTATION {
            return Err(Unfit::Rotation);
        }
        if !(1..=Self::LONGEST_SERVER_ID).contains(&server_length) {
            return Err(Unfit::ServerId);
        }
        if nonce_length < Self::SHORTEST_NONCE {
            return Err(Unfit::Nonce);
        }
        if server_length.saturating_add(nonce_length) > Self::LONGEST {
            return Err(Unfit::Sum);
        }
        Ok(Self { rotation, server_length, nonce_length, key })
    }

    /// The value of the rotation bits.
    pub const fn rotation(&self) -> u8 {
        self.rotation
    }

    /// Octets of the server id.
    pub const fn server_length(&self) -> usize {
        self.server_length as usize
    }

    /// Octets of the nonce.
    pub const fn nonce_length(&self) -> usize {
        self.nonce_length as usize
    }

    /// The key, if ids are enciphered.
    pub const fn key(&self) -> Option<Key> {
        self.key
    }

    /// Octets of server id and nonce.
    const fn length(&self) -> usize {
        self.server_length() + self.nonce_length()
    }

    fn mode(&self) -> CidMode {
        match self.key {
            None => CidMode::Plain,
            Some(_) if self.length() == 16 => CidMode::SinglePass,
            Some(_) if self.server_length <= self.nonce_length => CidMode::ThreePasses,
            Some(_) => CidMode::FourPasses,
        }
    }

    /// The map's entry.
    pub fn entry(&self) -> CidConfig {
        let (mode, length) = (self.mode(), self.length());
        let half = length.div_ceil(2);
        let (mut left, mut right) = (octets(half), octets(half));
        if length % 2 == 1 {
            left[(half - 1) / 8] &= !(0x0f << ((half - 1) % 8 * 8));
            right[0] &= !0xf0;
        }
        let keys = match (self.key, mode) {
            (None, _) => CidConfig::default().keys,
            (Some(Key(key)), CidMode::SinglePass) => aes::decipher_keys(&key),
            (Some(Key(key)), _) => aes::encipher_keys(&key),
        };
        CidConfig {
            keys,
            left,
            right,
            server: octets(self.server_length()),
            length: length as u32,
            right_at: (length - half) as u32,
            mode: mode as u32,
            reserved: 0,
        }
    }

    /// An id. `first` fills the five bits that the rotation bits leave of the first octet; `None` puts the
    /// number of octets that follow there. `None` if `server_id` or `nonce` has another length than the
    /// scheme says.
    pub fn encode(&self, first: Option<u8>, server_id: &[u8], nonce: &[u8]) -> Option<Vec<u8>> {
        if server_id.len() != self.server_length() || nonce.len() != self.nonce_length() {
            return None;
        }
        let plain = [server_id, nonce].concat();
        let first = self.rotation << 5 | first.unwrap_or(plain.len() as u8) & 0x1f;
        Some([&[first][..], &self.enciphered(&plain)].concat())
    }

    fn enciphered(&self, plain: &[u8]) -> Vec<u8> {
        let Some(Key(key)) = &self.key else { return plain.to_vec() };
        let config = self.entry();
        if let CidMode::SinglePass = self.mode() {
            let mut text = block(plain);
            aes::encipher(&aes::encipher_keys(key), &mut text);
            return text.iter().flat_map(|word| word.to_le_bytes()).collect();
        }
        let right_at = config.right_at as usize;
        let mut left = id::masked(block(plain), &config.left);
        let mut right = id::masked(block(&plain[right_at..]), &config.right);
        id::pass(&config, 1, &left, &mut right, &config.right);
        id::pass(&config, 2, &right, &mut left, &config.left);
        id::pass(&config, 3, &left, &mut right, &config.right);
        id::pass(&config, 4, &right, &mut left, &config.left);
        let mut text = vec![0; plain.len()];
        let mut lay = |at: usize, half: Block| {
            let octets = half.iter().flat_map(|word| word.to_le_bytes());
            text[at..].iter_mut().zip(octets).for_each(|(to, octet)| *to |= octet);
        };
        lay(0, left);
        lay(right_at, right);
        text
    }

    /// The server id in an id; `None` if it is too short or has other rotation bits.
    pub fn decode(&self, cid: &[u8]) -> Option<Vec<u8>> {
        let (&first, rest) = cid.split_first()?;
        if first >> 5 != self.rotation || rest.len() < self.length() {
            return None;
        }
        let config = self.entry();
        let mut id = CidOctets { start: block(rest), right: block(&rest[config.right_at as usize..]) };
        id::read(&config, &mut id).then_some(())?;
        Some(id.start.iter().flat_map(|word| word.to_le_bytes()).take(self.server_length()).collect())
    }
}

/// The first 16 octets, filled up with zeros.
pub fn block(octets: &[u8]) -> Block {
    let word =
        |at: usize| octets.iter().skip(at).take(8).rev().fold(0, |word, &octet| word << 8 | u64::from(octet));
    [word(0), word(8)]
}

/// A mask of the first `count` octets.
fn octets(count: usize) -> Block {
    block(&vec![0xff; count])
}
