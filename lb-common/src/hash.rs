//! The keyed hash of tuples and client keys.
//!
//! NH (UMAC, RFC 4418 section 5.2.2): the message's 32-bit words are added to key words, multiplied
//! in pairs, and the products summed modulo 2^64. For two different messages the chance of a
//! collision over a random key is at most 2^-32, whoever chose the messages, which multiply-xor
//! hashes with public constants can't say: their collisions don't depend on the seed. A final mix
//! with a fixed odd constant spreads the sum over all bits. One tuple costs two multiplications for
//! IPv4 and five for IPv6; SipHash would cost more than the rest of the packet path together.

use crate::{
    net::{Address, Be16, Ip},
    packet::Packet,
    settings::Settings,
};

/// Odd, from the golden ratio; multiplication by it is a bijection.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// `(a + ka) * (b + kb)`, the step of NH.
#[inline(always)]
fn pair(settings: &Settings, at: usize, a: u32, b: u32) -> u64 {
    let a = a.wrapping_add(settings.key[at].get());
    let b = b.wrapping_add(settings.key[at + 1].get());
    u64::from(a) * u64::from(b)
}

/// Spreads an NH sum over all 64 bits. Bijective, so it adds no collisions.
#[inline(always)]
const fn finish(sum: u64) -> u64 {
    let mixed = (sum ^ (sum >> 32)).wrapping_mul(MIX);
    mixed ^ (mixed >> 32)
}

/// Hash of a packet's 5-tuple.
#[inline(always)]
pub fn of<A: Address>(packet: &Packet<A>, settings: &Settings) -> u64 {
    let (from, to) = (packet.source, packet.destination);
    tuple(settings, (from.address, from.port), (to.address, to.port), packet.protocol)
}

/// Hash of a 5-tuple. `from` and `to` are the packet's source and destination.
#[inline(always)]
pub fn tuple<A: Address>(settings: &Settings, from: (A, Be16), to: (A, Be16), protocol: u8) -> u64 {
    let ports = u32::from(from.1.raw()) | (u32::from(to.1.raw()) << 16);
    // The family is part of the message: a v4 tuple can't stand for a v6 one of the same words.
    let kind = u32::from(protocol) | ((A::WORDS as u32) << 8);
    let mut sum = pair(settings, 0, ports, kind);
    if A::WORDS == 1 {
        sum = sum.wrapping_add(pair(settings, 2, from.0.word(0), to.0.word(0)));
    } else {
        sum = sum
            .wrapping_add(pair(settings, 2, from.0.word(0), from.0.word(1)))
            .wrapping_add(pair(settings, 4, from.0.word(2), from.0.word(3)))
            .wrapping_add(pair(settings, 6, to.0.word(0), to.0.word(1)))
            .wrapping_add(pair(settings, 8, to.0.word(2), to.0.word(3)));
    }
    finish(sum)
}

/// Hash of a client key in a scope: picks the slot of a client that has no session yet.
#[inline(always)]
pub fn client(settings: &Settings, scope: u64, client: Ip) -> u64 {
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| client.quarter(at));
    finish(
        pair(settings, 0, scope as u32, (scope >> 32) as u32)
            .wrapping_add(pair(settings, 2, a, b))
            .wrapping_add(pair(settings, 4, c, d)),
    )
}

/// Hash of a service's address: picks its bit among those that are certainly nobody's. Folded, for one multiplication
/// less (1 ns): whoever finds IPv6 addresses with the bit of a service has won nothing.
#[inline(always)]
pub fn address(settings: &Settings, address: Ip) -> u64 {
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| address.quarter(at));
    finish(pair(settings, 2, a ^ c, b ^ d))
}

/// Hash of what a reply to a source-rewritten connection is sure to carry: our address and the
/// backend's address, port and protocol. Picks the port range in `BINDINGS`.
#[inline(always)]
pub fn lane(settings: &Settings, ours: Ip, backend: Ip, port: Be16, protocol: u8) -> u32 {
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| ours.quarter(at));
    let [e, f, g, h] = [0, 1, 2, 3].map(|at| backend.quarter(at));
    let end = u32::from(port.raw()) | (u32::from(protocol) << 16);
    let sum = pair(settings, 2, a ^ e, b ^ f)
        .wrapping_add(pair(settings, 4, c ^ g, d))
        .wrapping_add(pair(settings, 6, h, end));
    (finish(sum) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::V4;

    fn settings() -> Settings {
        Settings::new(core::array::from_fn(|i| 0x9e37_79b9u32.wrapping_mul(i as u32 + 1)), 1, 1, (1, 1), 1)
    }

    #[test]
    fn each_field_of_the_tuple_counts() {
        let s = settings();
        let base = (V4::from_bytes([10, 0, 0, 1]), Be16::new(1000));
        let to = (V4::from_bytes([10, 0, 0, 2]), Be16::new(80));
        let h = tuple(&s, base, to, 6);
        assert_ne!(h, tuple(&s, (V4::from_bytes([10, 0, 0, 3]), base.1), to, 6));
        assert_ne!(h, tuple(&s, (base.0, Be16::new(1001)), to, 6));
        assert_ne!(h, tuple(&s, base, (V4::from_bytes([10, 0, 0, 3]), to.1), 6));
        assert_ne!(h, tuple(&s, base, (to.0, Be16::new(81)), 6));
        assert_ne!(h, tuple(&s, base, to, 17));
        assert_ne!(h, tuple(&s, to, base, 6));
    }

    /// Structured clients must spread as evenly over slots as random ones would.
    #[test]
    fn structured_clients_spread() {
        let s = settings();
        let mut slots = [0u32; 64];
        for x in 0..=255u8 {
            for last in 0..40u8 {
                let ip = V4::from_bytes([10, 20, x, last]).widen();
                slots[(client(&s, 7, ip) >> 32) as usize & 63] += 1;
            }
        }
        let mean = 256.0 * 40.0 / 64.0;
        let chi: f64 = slots.iter().map(|&n| (f64::from(n) - mean).powi(2) / mean).sum();
        // 63 degrees of freedom: 120 is beyond one in 10,000.
        assert!(chi < 120.0, "chi-square {chi}");
    }
}
