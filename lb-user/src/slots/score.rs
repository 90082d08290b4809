//! The score of a (slot, backend) pair.
//!
//! Weighted rendezvous hashing wants `-ln(u) / weight` for a uniform `u` in (0, 1], and the smallest wins: a
//! backend of twice the weight wins twice as often, and a change of one weight changes only that
//! backend's scores. Two things need care.
//!
//! **The same bits everywhere.** `ln` of a float may differ in its last bit between C libraries and
//! processors, and nodes that disagree about one slot break the promise. So the logarithm is
//! made of integers: the position of the leading bit, and for the rest a table of 256 steps with straight
//! lines between them. The table itself is computed at compile time by repeated squaring, again in
//! integers. The lines are off by at most 0.2 % of the score, in the same way for every backend; a shift of
//! load by that much is far below the 2 % that the table allows. (Base 2 or e is a constant factor, which
//! no comparison sees.)
//!
//! **Cheap enough for 4,096 slots x 1,000 backends.** SipHash runs once for each slot and once for each name, with
//! the secret key; a pair then costs one mixing of the two results. Whoever lacks the key knows neither input
//! of the mixer, so its being public gives nothing away.

use siphasher::sip::SipHasher13;

/// Fractional bits of the logarithm: 65 x 2^48 fits 64 bits with room to spare.
const FRACTION: u32 = 48;
/// Bits of the position between two steps of the table: a step is below 2^41, so a product fits 64 bits.
const BETWEEN: u32 = 22;

/// A slot's half of every score.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotKey(u64);

impl SlotKey {
    pub(super) fn new(slot: u32, seed: [u8; 16]) -> Self {
        Self(keyed(b's', &slot.to_le_bytes(), seed))
    }
}

/// A backend's half of every score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Scorer {
    name: u64,
    /// 2^64 / weight: a product in place of a division for each pair.
    inverse_weight: u64,
}

impl Scorer {
    /// `weight` is above 0.
    pub(super) fn new(name: &str, weight: u32, seed: [u8; 16]) -> Self {
        Self { name: keyed(b'n', name.as_bytes(), seed), inverse_weight: u64::MAX / u64::from(weight) }
    }

    /// The score, if it is below `bound`; smaller is better.
    pub(super) fn score_below(self, slot: SlotKey, bound: u64) -> Option<u64> {
        let u = mix(self.name ^ slot.0);
        // -log2(x) is never below 1 - x. This turns most pairs away without a logarithm.
        if self.weighted(!u >> (64 - FRACTION)) >= bound {
            return None;
        }
        Some(self.weighted(minus_log2(u))).filter(|&score| score < bound)
    }

    fn weighted(self, cost: u64) -> u64 {
        ((u128::from(cost) * u128::from(self.inverse_weight)) >> 64) as u64
    }
}

/// `kind` keeps a name of four bytes from being a slot's number.
fn keyed(kind: u8, bytes: &[u8], seed: [u8; 16]) -> u64 {
    let mut input = Vec::with_capacity(1 + bytes.len());
    input.push(kind);
    input.extend_from_slice(bytes);
    SipHasher13::new_with_key(&seed).hash(&input)
}

/// The finalizer of SplitMix64: each input bit changes each output bit with a chance of one half.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// `-log2(u / 2^64)` with [`FRACTION`] bits after the point; falls as `u` rises. 0 counts as 1.
fn minus_log2(u: u64) -> u64 {
    let u = u.max(1);
    let zeros = u.leading_zeros();
    // The leading bit is 1 and is dropped: 64 bits behind the point of 1.xxx remain.
    let rest = u << zeros << 1;
    let step = (rest >> 56) as usize;
    let between = (rest << 8) >> (64 - BETWEEN);
    let (low, high) = (LOG2[step], LOG2[step + 1]);
    let log = low + (((high - low) * between) >> BETWEEN);
    (u64::from(zeros + 1) << FRACTION) - log
}

/// `log2(1 + i / 256)` with [`FRACTION`] bits after the point.
static LOG2: [u64; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i < 256 {
        table[i] = log2_of_one_and(i as u64);
        i += 1;
    }
    table[256] = 1 << FRACTION;
    table
};

/// Squaring doubles a logarithm, so its bits come out one by one: 1 where the square reaches 2.
const fn log2_of_one_and(i: u64) -> u64 {
    // Fixed point, 1.0 is 2^62: the square of a number below 2 stays below 4, and so inside 64 bits.
    let mut x = (256 + i) << 54;
    let mut log = 0;
    let mut bit = 0;
    while bit < FRACTION {
        x = ((x as u128 * x as u128) >> 62) as u64;
        log <<= 1;
        if x >> 63 == 1 {
            log |= 1;
            x >>= 1;
        }
        bit += 1;
    }
    log
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn float(cost: u64) -> f64 {
        cost as f64 / (1_u64 << FRACTION) as f64
    }

    proptest! {
        #[test]
        fn the_logarithm_is_right_within_two_thousandths(u in 1_u64.., shift in 0_u32..64) {
            let u = (u >> shift).max(1);
            let exact = 64.0 - (u as f64).log2();
            let ours = float(minus_log2(u));
            // Near u = 2^64 the exact value is lost in the float's own rounding.
            prop_assume!(exact > 1e-6);
            prop_assert!((ours / exact - 1.0).abs() < 0.002, "u {u}: {ours} for {exact}");
        }

        #[test]
        fn the_logarithm_falls(a in any::<u64>(), b in any::<u64>()) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(minus_log2(low) >= minus_log2(high));
        }
    }

    #[test]
    fn the_logarithm_of_powers_of_two_is_exact() {
        for power in 0..64 {
            let expected = 64.0 - f64::from(power);
            assert!((float(minus_log2(1 << power)) - expected).abs() < 1e-9, "2^{power}");
        }
        assert_eq!(minus_log2(0), 64 << FRACTION);
        assert!(minus_log2(u64::MAX) > 0);
    }

    #[test]
    fn the_table_is_what_the_float_says() {
        for (i, log) in LOG2.iter().enumerate() {
            let exact = (1.0 + i as f64 / 256.0).log2();
            assert!((float(*log) - exact).abs() < 1e-12, "step {i}");
        }
    }
}
