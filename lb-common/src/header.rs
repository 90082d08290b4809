//! IP headers of our own making: around a packet that goes through a tunnel, and before an answer of ours.

use crate::{
    checksum,
    frame::{Frame, Pair, Wire},
    net::{Address, Be16, V4, V6},
    packet::ETHERNET,
};

/// Hops that a packet of our own may take, as Linux has it (`ip_default_ttl`, RFC 1700).
const HOPS: u32 = 64;
/// Offset of the Ethernet type.
const TYPE: usize = 12;

/// What a header says.
#[derive(Clone, Copy, Debug)]
pub struct Header<A> {
    /// The sender.
    pub source: A,
    /// The receiver.
    pub destination: A,
    /// DSCP and ECN.
    pub class: u8,
    /// What tells flows apart: the lowest 20 bits are an IPv6 header's flow label.
    pub entropy: u32,
    /// What follows.
    pub protocol: u8,
    /// Its bytes.
    pub payload: u32,
}

/// A family whose headers can be written.
pub trait Own: Address {
    /// Bytes of a header.
    const LENGTH: usize;

    /// DSCP and ECN of the header that follows the Ethernet header.
    fn class<F: Frame>(frame: &F) -> Option<u8>;

    /// Writes a header behind the Ethernet header, and the family's type into that; `None` if there is no
    /// room.
    fn write<F: Frame>(frame: &mut F, header: &Header<Self>) -> Option<()>;
}

/// An IPv4 header without options in words, as they stand in the packet.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Ipv4 {
    version_service_total: u32,
    identification_flags: u32,
    hops_protocol_checksum: u32,
    source: u32,
    destination: u32,
}
// SAFETY: packed integers.
unsafe impl Wire for Ipv4 {}

impl Own for V4 {
    const LENGTH: usize = size_of::<Ipv4>();

    #[inline(always)]
    fn class<F: Frame>(frame: &F) -> Option<u8> {
        frame.read(ETHERNET + 1)
    }

    #[inline(always)]
    fn write<F: Frame>(frame: &mut F, header: &Header<Self>) -> Option<()> {
        let total = header.payload + Self::LENGTH as u32;
        let first = (0x4500_0000 | u32::from(header.class) << 16 | total).to_be();
        // Never fragmented, so that it needs no identification (RFC 6864 section 4.1).
        let second = 0x4000_u32.to_be();
        let third = (HOPS << 24 | u32::from(header.protocol) << 16).to_be();
        let (source, destination) = (header.source.word(0), header.destination.word(0));
        let words = [first, second, third, source, destination];
        let sum = checksum::of(words.iter().fold(0, |sum, &word| sum + u64::from(word)));
        frame.write(TYPE, Be16::new(0x0800))?;
        frame.write(
            ETHERNET,
            Ipv4 {
                version_service_total: first,
                identification_flags: second,
                hops_protocol_checksum: third | u32::from(sum) << 16,
                source,
                destination,
            },
        )
    }
}

impl Own for V6 {
    const LENGTH: usize = 40;

    #[inline(always)]
    fn class<F: Frame>(frame: &F) -> Option<u8> {
        Some((frame.read::<Be16>(ETHERNET)?.get() >> 4) as u8)
    }

    #[inline(always)]
    fn write<F: Frame>(frame: &mut F, header: &Header<Self>) -> Option<()> {
        let label = header.entropy & 0xf_ffff;
        let first = (6 << 28 | u32::from(header.class) << 20 | label).to_be();
        let second = (header.payload << 16 | u32::from(header.protocol) << 8 | HOPS).to_be();
        frame.write(TYPE, Be16::new(0x86dd))?;
        frame.write(ETHERNET, Pair { first, second })?;
        frame.write(ETHERNET + 8, Pair { first: header.source, second: header.destination })
    }
}
