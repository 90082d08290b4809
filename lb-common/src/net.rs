//! Addresses, ports and protocol numbers, in network byte order.
//!
//! Values keep the order of the wire, so that they are compared and copied without conversion;
//! `Debug` prints host order. All are made of whole, aligned words, not of byte arrays: the kernel's
//! verifier refuses an 8-byte access to the stack that is not 8-byte aligned, and byte arrays invite
//! the compiler to make one.

use core::{fmt, net::IpAddr};

/// A 16-bit number in network byte order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Be16(u16);

impl Be16 {
    /// From host order.
    #[inline(always)]
    pub const fn new(host: u16) -> Self {
        Self(host.to_be())
    }

    /// In host order.
    #[inline(always)]
    pub const fn get(self) -> u16 {
        u16::from_be(self.0)
    }

    /// From the wire.
    #[inline(always)]
    pub const fn from_bytes(bytes: [u8; 2]) -> Self {
        Self(u16::from_ne_bytes(bytes))
    }

    /// For the wire.
    #[inline(always)]
    pub const fn bytes(self) -> [u8; 2] {
        self.0.to_ne_bytes()
    }

    /// The two bytes as a word of the machine, for sums and hashes that don't care about order.
    #[inline(always)]
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// The inverse of [`Be16::raw`].
    #[inline(always)]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }
}

impl fmt::Debug for Be16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

/// An Ethernet address, in the first six bytes of a word; the other two are zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct Mac(u64);

impl Mac {
    /// True for the address that no station has: a next hop that is not resolved.
    #[inline(always)]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// From the wire.
    #[inline(always)]
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = bytes;
        Self(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
    }

    /// For the wire.
    #[inline(always)]
    pub const fn bytes(self) -> [u8; 6] {
        let [a, b, c, d, e, f, _, _] = self.0.to_le_bytes();
        [a, b, c, d, e, f]
    }

    /// From the first four and the last two bytes, as words of a little-endian machine, which every
    /// machine that this runs on is (`bpfel`).
    #[inline(always)]
    pub const fn from_halves(first: u32, last: u16) -> Self {
        Self(first as u64 | (last as u64) << 32)
    }

    /// The inverse of [`Mac::from_halves`].
    #[inline(always)]
    pub const fn halves(self) -> (u32, u16) {
        (self.0 as u32, (self.0 >> 32) as u16)
    }

    /// The word, whose upper 16 bits are zero.
    #[inline(always)]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The inverse of [`Mac::raw`]; the upper 16 bits are dropped.
    #[inline(always)]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw & 0xffff_ffff_ffff)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.bytes();
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An address of either family in 16 bytes; IPv4 is mapped (`::ffff:a.b.c.d`, RFC 4291 2.5.5.2), so
/// that one map serves both.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Ip([u64; 2]);

impl Ip {
    /// From the wire, or from [`core::net::Ipv6Addr::octets`].
    #[inline(always)]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self([u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])])
    }

    /// For the wire.
    #[inline(always)]
    pub const fn bytes(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.0[0].to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.0[1].to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The address as two words of the machine.
    #[inline(always)]
    pub const fn words(self) -> [u64; 2] {
        self.0
    }

    /// The inverse of [`Ip::words`].
    #[inline(always)]
    pub const fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// Half a word: a quarter of the address, for hashes and sums. `index` is below 4.
    #[inline(always)]
    pub const fn quarter(self, index: usize) -> u32 {
        (self.0[index / 2] >> (32 * (index % 2))) as u32
    }

    /// The address with the bits outside `mask` cleared.
    #[inline(always)]
    pub const fn masked(self, mask: Self) -> Self {
        Self([self.0[0] & mask.0[0], self.0[1] & mask.0[1]])
    }

    /// The mask that keeps the first `bits` bits, 0..=128, of the whole address.
    #[inline(always)]
    pub const fn mask(bits: u32) -> Self {
        let high = if bits >= 64 { !0 } else { !(!0 >> bits) };
        let low = if bits <= 64 { 0 } else { !0 << (128u32.saturating_sub(bits) & 63) };
        Self([u64::to_be(high), u64::to_be(low)])
    }

    /// The mask that keeps the first `prefix` bits of an address, counted in its own family: 0..=32
    /// for IPv4 (the mapping prefix is kept too), 0..=128 for IPv6. Larger prefixes keep everything.
    pub fn prefix_mask(address: IpAddr, prefix: u8) -> Self {
        let bits = match address {
            IpAddr::V4(_) => 96 + u32::from(prefix),
            IpAddr::V6(_) => u32::from(prefix),
        };
        Self::mask(bits.min(128))
    }
}

impl From<IpAddr> for Ip {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => V4::from_bytes(v4.octets()).widen(),
            IpAddr::V6(v6) => Self::from_bytes(v6.octets()),
        }
    }
}

impl From<Ip> for IpAddr {
    fn from(ip: Ip) -> Self {
        core::net::Ipv6Addr::from(ip.bytes()).to_canonical()
    }
}

impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&IpAddr::from(*self), f)
    }
}

/// What the packet path needs to know of an address family. Everything after parsing is generic
/// over it.
pub trait Address: Copy + Eq + Default + fmt::Debug {
    /// 32-bit words in an address.
    const WORDS: usize;
    /// The form that maps hold.
    fn widen(self) -> Ip;
    /// The inverse of [`Address::widen`]; meaningless for an address of the other family.
    fn narrow(ip: Ip) -> Self;
    /// Word `index` of the address, below [`Address::WORDS`]: words of the machine, in an order
    /// that does not matter to sums and hashes.
    fn word(self, index: usize) -> u32;
}

/// An IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct V4(u32);

/// An IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct V6(Ip);

impl V4 {
    /// From the wire.
    #[inline(always)]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_ne_bytes(bytes))
    }

    /// For the wire.
    #[inline(always)]
    pub const fn bytes(self) -> [u8; 4] {
        self.0.to_ne_bytes()
    }
}

impl V6 {
    /// True for `::ffff:a.b.c.d`, which stands for an IPv4 address in maps.
    #[inline(always)]
    pub const fn is_mapped(self) -> bool {
        // The bytes 0, 0, 0xff, 0xff as a little-endian word.
        self.0.words()[0] == 0 && self.0.quarter(2) == 0xffff_0000
    }

    /// From the wire.
    #[inline(always)]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Ip::from_bytes(bytes))
    }

    /// For the wire.
    #[inline(always)]
    pub const fn bytes(self) -> [u8; 16] {
        self.0.bytes()
    }
}

impl Address for V4 {
    const WORDS: usize = 1;

    #[inline(always)]
    fn widen(self) -> Ip {
        let [a, b, c, d] = self.bytes();
        Ip([0, u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d])])
    }

    #[inline(always)]
    fn narrow(ip: Ip) -> Self {
        let [_, _, _, _, a, b, c, d] = ip.0[1].to_ne_bytes();
        Self::from_bytes([a, b, c, d])
    }

    #[inline(always)]
    fn word(self, _index: usize) -> u32 {
        self.0
    }
}

impl Address for V6 {
    const WORDS: usize = 4;

    #[inline(always)]
    fn widen(self) -> Ip {
        self.0
    }

    #[inline(always)]
    fn narrow(ip: Ip) -> Self {
        Self(ip)
    }

    #[inline(always)]
    fn word(self, index: usize) -> u32 {
        self.0.quarter(index)
    }
}

const _: () = assert!(cfg!(target_endian = "little"), "map layouts and `Mac` assume little-endian words");

/// IP protocol numbers (IANA "Protocol Numbers").
pub mod protocol {
    /// Internet Control Message Protocol.
    pub const ICMP: u8 = 1;
    /// IPv4 in IP.
    pub const IPV4: u8 = 4;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const IPV6: u8 = 41;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_survive_widening() {
        for text in ["192.0.2.1", "2001:db8::1", "::1", "255.255.255.255"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(IpAddr::from(Ip::from(address)), address);
        }
        let v4 = V4::from_bytes([1, 2, 3, 4]);
        assert_eq!(V4::narrow(v4.widen()), v4);
        assert!(V6::narrow(v4.widen()).is_mapped());
        let v6 = |text: &str| V6::from_bytes(text.parse::<core::net::Ipv6Addr>().unwrap().octets());
        assert!(
            !["::", "::fffe:1.2.3.4", "::1:ffff:102:304", "2001:db8::ffff:102:304"]
                .iter()
                .any(|text| v6(text).is_mapped())
        );
    }

    #[test]
    fn a_prefix_counts_in_its_own_family() {
        let cut = |text: &str, prefix| {
            let address: IpAddr = text.parse().unwrap();
            IpAddr::from(Ip::from(address).masked(Ip::prefix_mask(address, prefix))).to_string()
        };
        assert_eq!(cut("10.1.2.3", 24), "10.1.2.0");
        assert_eq!(cut("10.1.2.3", 32), "10.1.2.3");
        assert_eq!(cut("10.1.2.3", 0), "0.0.0.0");
        assert_eq!(cut("2001:db8:1:2:3::4", 64), "2001:db8:1:2::");
        assert_eq!(cut("2001:db8:1:2:3::4", 0), "::");
    }
}
