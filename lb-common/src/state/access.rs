//! `ACCESS`: (list, prefix) -> may its addresses use a service? The longest prefix decides.
//!
//! One map holds all lists, told apart by a number: a list is written under a number of its own, and put
//! into force by one write of [`super::Service::access`]. What no prefix of a list covers may not pass; a
//! list for "everybody but these" holds a prefix that covers everybody.

use super::{Plain, layout};
use crate::net::Ip;

/// Key of `ACCESS`: the kernel's `struct bpf_lpm_trie_key`, whose first word is the number of bits after it
/// that count. All words, not packed, so that it can lie on the stack (see [`crate::net`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(C)]
pub struct AccessKey {
    bits: u32,
    list: u32,
    address: Ip,
}
layout!(AccessKey, size = 24, align = 8);
// SAFETY: integers; their sizes add up to 24, so there is no padding.
unsafe impl Plain for AccessKey {}

impl AccessKey {
    /// Bits of the list's number, all of which always count.
    const LIST: u32 = 32;
    /// Bits of an address in the form that maps hold.
    pub const ADDRESS: u32 = 128;

    /// The addresses that have their first `bits` (0..=128, IPv4 in its mapped form) in common with
    /// `address`, in the list of that number. The other bits of `address` are zero.
    #[inline(always)]
    pub const fn new(list: u32, address: Ip, bits: u32) -> Self {
        Self { bits: Self::LIST + bits, list, address }
    }

    /// How many of the bits after this word count.
    pub const fn bits(&self) -> u32 {
        self.bits
    }

    /// The list's number.
    pub const fn list(&self) -> u32 {
        self.list
    }

    /// First address and length of the prefix.
    pub const fn prefix(&self) -> (Ip, u32) {
        (self.address, self.bits.saturating_sub(Self::LIST))
    }

    /// What follows the first word.
    pub const fn data(&self) -> [u32; 5] {
        let Self { bits: _, list, address } = self;
        [*list, address.quarter(0), address.quarter(1), address.quarter(2), address.quarter(3)]
    }
}

/// Value of `ACCESS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Admission {
    /// May not pass.
    Deny = 0,
    /// May pass.
    Allow = 1,
}

impl Admission {
    /// From a map value; nobody writes other numbers.
    #[inline(always)]
    pub const fn from_word(word: u32) -> Self {
        match word {
            0 => Self::Deny,
            _ => Self::Allow,
        }
    }
}
