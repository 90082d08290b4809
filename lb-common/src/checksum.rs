//! Incremental checksums (RFC 1624).
//!
//! The Internet checksum is the complement of the one's-complement sum of 16-bit words. That sum
//! does not depend on byte order: swapping the bytes of each word swaps the bytes of the sum (RFC
//! 1071 section 2). So everything here works on words as the machine loads them, and the result is
//! stored back as it is, without a swap.
//!
//! A change of a word from `m` to `m'` turns checksum `HC` into `~(~HC + ~m + m')` (RFC 1624, eqn
//! 3; the older eqn 4 fails for 0x0000/0xffff). [`Delta`] sums the `~m + m'` of all changed words in
//! 64 bits, where carries can pile up, and folds once. 32-bit words may be added whole: 2^16 is
//! congruent to 1 modulo 65535, so folding makes two 16-bit words of each.

use crate::net::Address;

/// The checksum of what has this sum of 16-bit or 32-bit words, at most 2^12 of them.
#[inline(always)]
pub const fn of(sum: u64) -> u16 {
    // Three folds: 44 bits of sum -> 18 -> 17 -> 16.
    let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// The accumulated change of a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(u64);

impl Delta {
    /// Nothing changed.
    pub const NONE: Self = Self(0);

    /// Adds the change of one 16-bit word.
    #[inline(always)]
    #[must_use]
    pub const fn word16(self, old: u16, new: u16) -> Self {
        Self(self.0 + !old as u64 + new as u64)
    }

    /// Adds the change of an address.
    #[inline(always)]
    #[must_use]
    pub fn address<A: Address>(self, old: A, new: A) -> Self {
        let mut sum = self.0;
        let mut at = 0;
        while at < A::WORDS {
            sum += u64::from(!old.word(at)) + u64::from(new.word(at));
            at += 1;
        }
        Self(sum)
    }

    /// The checksum after the change; both as they stand in the packet, in machine order.
    #[inline(always)]
    pub const fn apply(self, checksum: u16) -> u16 {
        of(self.0 + !checksum as u64)
    }

    /// As [`Delta::apply`] with UDP's rules (RFC 768): zero means "no checksum" and stays; a sum
    /// that comes out as zero is sent as 0xffff.
    #[inline(always)]
    pub const fn apply_udp(self, checksum: u16) -> u16 {
        if checksum == 0 {
            return 0;
        }
        match self.apply(checksum) {
            0 => 0xffff,
            sum => sum,
        }
    }
}

/// True if a header of these words has the right checksum in it (RFC 1071 section 1).
#[inline(always)]
pub fn holds(words: &[u32; 5]) -> bool {
    of(words.iter().map(|&word| u64::from(word)).sum()) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{V4, V6};
    use proptest::prelude::*;

    fn full(bytes: &[u8]) -> u16 {
        u16::from_ne_bytes(internet_checksum::checksum(bytes))
    }

    /// Words at which one's-complement arithmetic has its corners, among any others.
    fn word() -> impl Strategy<Value = u16> {
        prop_oneof![Just(0), Just(0xffff), Just(1), Just(0xfffe), Just(0x00ff), any::<u16>()]
    }

    proptest! {
        #[test]
        fn incremental_equals_recomputed(
            mut words in prop::collection::vec(word(), 2..40), at in any::<prop::sample::Index>(), new in word(),
        ) {
            words[0] = 0x4500; // some word of a real header is never zero
            let at = 1 + at.index(words.len() - 1);
            let bytes = |w: &[u16]| w.iter().flat_map(|x| x.to_ne_bytes()).collect::<Vec<u8>>();
            let before = full(&bytes(&words));
            let old = core::mem::replace(&mut words[at], new);
            prop_assert_eq!(Delta::NONE.word16(old, new).apply(before), full(&bytes(&words)));
        }

        #[test]
        fn addresses_of_both_families(
            a in any::<[u8; 16]>(), b in any::<[u8; 16]>(), rest in prop::collection::vec(any::<u8>(), 20..21),
        ) {
            let sum = |address: &[u8]| full(&[address, &[0x45], &rest, &[0]].concat());
            prop_assert_eq!(Delta::NONE.address(V6::from_bytes(a), V6::from_bytes(b)).apply(sum(&a)), sum(&b));
            let (a, b) = ([a[0], a[1], a[2], a[3]], [b[0], b[1], b[2], b[3]]);
            prop_assert_eq!(Delta::NONE.address(V4::from_bytes(a), V4::from_bytes(b)).apply(sum(&a)), sum(&b));
        }
    }

    #[test]
    fn a_header_holds_with_its_own_checksum_only() {
        let mut words = [0x45, 0x0102_0304, 0x0000_0440, 0xffff_0000, 0xffff_ffff_u32];
        assert!(!holds(&words));
        words[2] |= u32::from(full(&words.map(u32::to_ne_bytes).concat())) << 16;
        assert!(holds(&words));
        for bit in 0..160 {
            let mut broken = words;
            broken[bit / 32] ^= 1 << (bit % 32);
            assert!(!holds(&broken), "bit {bit}");
        }
    }

    #[test]
    fn udp_zero_means_none() {
        assert_eq!(Delta::NONE.word16(1, 2).apply_udp(0), 0);
        // 0xfffe with a word grown by one: the true sum is zero, which UDP sends as 0xffff.
        assert_eq!(Delta::NONE.word16(0, 0xfffe).apply(0xfffe), 0);
        assert_eq!(Delta::NONE.word16(0, 0xfffe).apply_udp(0xfffe), 0xffff);
    }
}
