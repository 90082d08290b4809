//! Connection id -> server id (draft-ietf-quic-load-balancers-21 section 5.5).
//!
//! An id is its first octet, then server id and nonce: `length` octets together, 5 to 19 of them. With a
//! key these are enciphered: 16 of them as one block of AES, any other number as two halves in a Feistel
//! network of four rounds. A half has half of the octets, rounded up; where their number is odd, the
//! halves share the middle octet, four bits each. Masks say which bits are a half's, so that no octet
//! is ever moved.

use super::aes;
use crate::state::quic::{Block, CidConfig, CidMode, CidOctets};

/// Puts the server id into `id.start`. Both parts may go on beyond the connection id. False where `config`
/// says that no id is routable.
#[inline(always)]
pub(super) fn read(config: &CidConfig, id: &mut CidOctets) -> bool {
    match config.mode() {
        CidMode::Unroutable => return false,
        CidMode::Plain => {}
        CidMode::SinglePass => aes::decipher(&config.keys, &mut id.start),
        CidMode::ThreePasses | CidMode::FourPasses => feistel(config, id),
    }
    id.start = masked(id.start, &config.server);
    true
}

/// Puts the plaintext into `id.start`, or of three passes its left half. In place, for the stack's sake.
#[inline(always)]
fn feistel(config: &CidConfig, id: &mut CidOctets) {
    let CidOctets { start: left, right } = id;
    *left = masked(*left, &config.left);
    *right = masked(*right, &config.right);
    pass(config, 4, right, left, &config.left);
    pass(config, 3, left, right, &config.right);
    pass(config, 2, right, left, &config.left);
    if config.mode() == CidMode::FourPasses {
        pass(config, 1, left, right, &config.right);
        *left = joined(*left, *right, config.right_at);
    }
}

/// One pass: `onto` is covered with what `from` enciphers to.
#[inline(always)]
pub(super) fn pass(config: &CidConfig, number: u64, from: &Block, onto: &mut Block, mask: &Block) {
    // expand(): half, zeros, length, pass.
    let mut block = [from[0], from[1] | u64::from(config.length) << 48 | number << 56];
    aes::encipher(&config.keys, &mut block);
    onto[0] ^= block[0] & mask[0];
    onto[1] ^= block[1] & mask[1];
}

/// Both halves in a row, as far as 16 octets go. The right one begins at octet `at`, 2 to 9.
#[inline(always)]
fn joined(left: Block, right: Block, at: u32) -> Block {
    const WORD: u32 = 8;
    if at >= WORD {
        return [left[0], left[1] | right[0] << (((at - WORD) * 8) & 63)];
    }
    let bits = (at * 8) & 63;
    [left[0] | right[0] << bits, left[1] | right[1] << bits | right[0] >> ((64 - bits) & 63)]
}

/// The bits of `block` that `mask` has.
#[inline(always)]
pub(super) const fn masked(block: Block, mask: &Block) -> Block {
    [block[0] & mask[0], block[1] & mask[1]]
}
