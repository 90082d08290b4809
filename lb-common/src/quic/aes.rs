//! AES-128 (FIPS 197) for one block at a time, small enough for the packet program: no heap, five words
//! of state, tables in read-only data.
//!
//! Each round is done by table look-ups that take care of substitution and column mixing at once; a
//! column's other three octets use the same table, rotated. Deciphering is the "equivalent inverse
//! cipher" of FIPS 197 section 5.3.5: the same steps with other tables, except that rows shift the
//! other way. With the columns in reverse order that is the same way, so one function does both.
//!
//! Look-ups by secret octets take a time that depends on the cache. What that could tell is, in the
//! worst case, the server that a connection is on; who can measure it is on this machine already.

use crate::state::quic::{Block, ROUND_KEYS};

const ROUNDS: usize = 10;

/// What the rounds of one direction look up.
struct Tables {
    /// Octet -> its substitute, mixed into a column as its first octet.
    mixed: [u32; 256],
    /// Octet -> its substitute.
    plain: [u8; 256],
}

const ENCIPHER: usize = 0;
const DECIPHER: usize = 1;

static TABLES: [Tables; 2] = [
    Tables { mixed: mixed(&SUBSTITUTES, [2, 1, 1, 3]), plain: SUBSTITUTES },
    Tables { mixed: mixed(&INVERSES, [14, 9, 13, 11]), plain: INVERSES },
];

const SUBSTITUTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let inverse = inverse(octet as u8);
        let spread = inverse ^ inverse.rotate_left(1) ^ inverse.rotate_left(2);
        table[octet] = spread ^ inverse.rotate_left(3) ^ inverse.rotate_left(4) ^ 0x63;
        octet += 1;
    }
    table
};

const INVERSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[SUBSTITUTES[octet] as usize] = octet as u8;
        octet += 1;
    }
    table
};

/// The product in the field of FIPS 197 section 4.2.
const fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// The multiplicative inverse: a to the power of 254; of 0, 0.
const fn inverse(a: u8) -> u8 {
    let mut power = a;
    let mut product = 1;
    let mut bits = 254;
    while bits != 0 {
        if bits & 1 != 0 {
            product = times(product, power);
        }
        power = times(power, power);
        bits >>= 1;
    }
    product
}

const fn mixed(substitutes: &[u8; 256], column: [u8; 4]) -> [u32; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let substitute = substitutes[octet];
        table[octet] = u32::from_le_bytes([
            times(substitute, column[0]),
            times(substitute, column[1]),
            times(substitute, column[2]),
            times(substitute, column[3]),
        ]);
        octet += 1;
    }
    table
}

/// One column of a round, from the four columns that its octets come from.
#[inline(always)]
fn column(tables: &Tables, a: u32, b: u32, c: u32, d: u32) -> u32 {
    let at = |word: u32, shift: u32| tables.mixed[(word >> shift & 0xff) as usize];
    at(a, 0) ^ at(b, 8).rotate_left(8) ^ at(c, 16).rotate_left(16) ^ at(d, 24).rotate_left(24)
}

/// The same of the last round, which does not mix.
#[inline(always)]
fn last(tables: &Tables, a: u32, b: u32, c: u32, d: u32) -> u32 {
    let at = |word: u32, shift: u32| u32::from(tables.plain[(word >> shift & 0xff) as usize]) << shift;
    at(a, 0) | at(b, 8) | at(c, 16) | at(d, 24)
}

// Not inlined: a connection id takes up to four of these.
#[inline(never)]
fn rounds(direction: usize, keys: &[u32; ROUND_KEYS], block: &mut Block) {
    let tables = &TABLES[direction & 1];
    let [low, high] = *block;
    let mut a = low as u32 ^ keys[0];
    let mut b = (low >> 32) as u32 ^ keys[1];
    let mut c = high as u32 ^ keys[2];
    let mut d = (high >> 32) as u32 ^ keys[3];
    for round in 1..ROUNDS {
        let at = round * 4;
        (a, b, c, d) = (
            column(tables, a, b, c, d) ^ keys[at],
            column(tables, b, c, d, a) ^ keys[at + 1],
            column(tables, c, d, a, b) ^ keys[at + 2],
            column(tables, d, a, b, c) ^ keys[at + 3],
        );
    }
    const LAST: usize = ROUNDS * 4;
    *block = [
        u64::from(last(tables, a, b, c, d) ^ keys[LAST])
            | u64::from(last(tables, b, c, d, a) ^ keys[LAST + 1]) << 32,
        u64::from(last(tables, c, d, a, b) ^ keys[LAST + 2])
            | u64::from(last(tables, d, a, b, c) ^ keys[LAST + 3]) << 32,
    ];
}

/// Enciphers a block; `keys` as [`encipher_keys`] says.
#[inline(always)]
pub fn encipher(keys: &[u32; ROUND_KEYS], block: &mut Block) {
    rounds(ENCIPHER, keys, block);
}

/// Deciphers a block; `keys` as [`decipher_keys`] says.
#[inline(always)]
pub fn decipher(keys: &[u32; ROUND_KEYS], block: &mut Block) {
    *block = reversed(*block);
    rounds(DECIPHER, keys, block);
    *block = reversed(*block);
}

/// The columns in reverse order, the first in its place: 0, 3, 2, 1.
#[inline(always)]
const fn reversed([low, high]: Block) -> Block {
    const FIRST: u64 = 0xffff_ffff;
    [low & FIRST | high & !FIRST, high & FIRST | low & !FIRST]
}

/// The round keys for [`encipher`] (FIPS 197 section 5.2).
pub fn encipher_keys(key: &[u8; 16]) -> [u32; ROUND_KEYS] {
    let mut keys = [0; ROUND_KEYS];
    let mut constant = 1;
    for at in 0..ROUND_KEYS {
        if let Some(octets) = key.as_chunks().0.get(at) {
            keys[at] = u32::from_le_bytes(*octets);
            continue;
        }
        let mut word: u32 = keys[at - 1];
        if at % 4 == 0 {
            let turned = word.rotate_right(8);
            word = last(&TABLES[ENCIPHER], turned, turned, turned, turned) ^ u32::from(constant);
            constant = times(constant, 2);
        }
        keys[at] = keys[at - 4] ^ word;
    }
    keys
}

/// The round keys for [`decipher`]: last round first, all but the ends mixed back, columns reversed.
pub fn decipher_keys(key: &[u8; 16]) -> [u32; ROUND_KEYS] {
    let forward = encipher_keys(key);
    core::array::from_fn(|at| {
        let (round, column_at) = (at / 4, (4 - at % 4) % 4);
        let word = forward[(ROUNDS - round) * 4 + column_at];
        if round == 0 || round == ROUNDS {
            return word;
        }
        // The table undoes a substitution before it mixes: so substitute first.
        let word = last(&TABLES[ENCIPHER], word, word, word, word);
        column(&TABLES[DECIPHER], word, word, word, word)
    })
}

#[cfg(test)]
mod tests {
    use aes::cipher::{BlockDecrypt as _, BlockEncrypt as _, KeyInit as _};
    use proptest::prelude::*;

    use super::*;

    fn block(bytes: [u8; 16]) -> Block {
        let (low, high) = bytes.split_at(8);
        [low, high].map(|half| u64::from_le_bytes(half.try_into().unwrap()))
    }

    proptest! {
        #[test]
        fn another_implementation_agrees(key: [u8; 16], text: [u8; 16]) {
            let oracle = aes::Aes128::new(&key.into());
            let mut wanted = text.into();
            oracle.encrypt_block(&mut wanted);
            let mut ours = block(text);
            encipher(&encipher_keys(&key), &mut ours);
            prop_assert_eq!(ours, block(wanted.into()));

            let mut wanted = text.into();
            oracle.decrypt_block(&mut wanted);
            let mut ours = block(text);
            decipher(&decipher_keys(&key), &mut ours);
            prop_assert_eq!(ours, block(wanted.into()));
        }
    }
}
