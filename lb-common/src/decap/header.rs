//! What unwrapping needs to know of an IP header, outer or inner, of either family.

use crate::{
    checksum::{self, Delta},
    frame::{Frame, Pair, Wire},
    net::{Be16, V4, V6},
    packet::ETHERNET,
    parse::{FRAGMENT, Ipv4, Ipv6},
    rewrite::Layout,
};
use network_types::ip::{Ipv4Hdr, Ipv6Hdr};

/// An IP header.
#[derive(Clone, Copy, Debug)]
pub struct Header<A> {
    /// The sender.
    pub source: A,
    /// The receiver.
    pub destination: A,
    /// What follows.
    pub protocol: u8,
    /// Length of the header with IPv4 options or an IPv6 fragment header, without other extension headers.
    pub length: usize,
    /// Length of header and payload.
    pub total: usize,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// A fragment, and where in the packet: 0 for the first.
    // 64 bits: a copy of fewer, with what is beside them, is not aligned on the stack, and the verifier refuses it.
    pub fragment: Option<u64>,
}

/// A family whose header can be unwrapped.
pub trait Family: Layout {
    /// IP version.
    const VERSION: u8;
    /// Its EtherType.
    const TYPE: u16;
    /// Length of a header without options or extension headers.
    const LENGTH: usize;
    /// Where the congestion mark is in the header's first two bytes.
    const ECN_SHIFT: u32;

    /// Reads the header at offset `at` of the frame; `None` if it is not wholly there, of another version, or
    /// at odds with itself.
    fn header<F: Frame>(frame: &F, at: usize) -> Option<Header<Self>>;

    /// True if the header at offset `at`, which has no options, has the right checksum of its own, where the
    /// family has one.
    fn sums_up<F: Frame>(frame: &F, at: usize) -> bool;

    /// The congestion mark of the header at offset `at`.
    #[inline(always)]
    fn ecn<F: Frame>(frame: &F, at: usize) -> Option<u8> {
        Some((frame.read::<Be16>(at)?.get() >> Self::ECN_SHIFT) as u8 & 0b11)
    }

    /// Changes the congestion mark of the header that follows the Ethernet header.
    #[inline(always)]
    fn set_ecn<F: Frame>(frame: &mut F, ecn: u8) -> Option<()> {
        let old: Be16 = frame.read(ETHERNET)?;
        let new = Be16::new(old.get() & !(0b11 << Self::ECN_SHIFT) | u16::from(ecn) << Self::ECN_SHIFT);
        if let Some(at) = Self::CHECKSUM {
            let sum = frame.read(at)?;
            frame.write(at, Delta::NONE.word16(old.raw(), new.raw()).apply(sum))?;
        }
        frame.write(ETHERNET, new)
    }
}

/// An IPv4 header without options, to be summed up.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Words([u32; 5]);
// SAFETY: packed integers.
unsafe impl Wire for Words {}

impl Family for V4 {
    const VERSION: u8 = 4;
    const TYPE: u16 = 0x0800;
    const LENGTH: usize = Ipv4Hdr::LEN;
    const ECN_SHIFT: u32 = 0;

    #[inline(always)]
    fn header<F: Frame>(frame: &F, at: usize) -> Option<Header<Self>> {
        let ip: &Ipv4 = frame.view(at)?;
        let Pair { first: source, second: destination } = ip.addresses;
        let length = usize::from(ip.version_and_length & 0x0f) * 4;
        let total = usize::from({ ip.total }.get());
        if ip.version_and_length >> 4 != Self::VERSION || length < Self::LENGTH || total < length {
            return None;
        }
        let fragment = { ip.flags_and_offset }.get() & 0x3fff;
        Some(Header {
            source,
            destination,
            protocol: ip.protocol,
            length,
            total,
            hops: ip.time_to_live,
            fragment: (fragment != 0).then_some(u64::from(fragment & 0x1fff)),
        })
    }

    #[inline(always)]
    fn sums_up<F: Frame>(frame: &F, at: usize) -> bool {
        frame.view::<Words>(at).is_some_and(|&Words(words)| checksum::holds(&words))
    }
}

/// An IPv6 fragment header (RFC 8200 section 4.5).
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct FragmentHeader {
    next: u8,
    _reserved: u8,
    offset_and_more: Be16,
    _identification: u32,
}
// SAFETY: packed integers.
unsafe impl Wire for FragmentHeader {}

impl Family for V6 {
    const VERSION: u8 = 6;
    const TYPE: u16 = 0x86dd;
    const LENGTH: usize = Ipv6Hdr::LEN;
    const ECN_SHIFT: u32 = 4;

    #[inline(always)]
    fn header<F: Frame>(frame: &F, at: usize) -> Option<Header<Self>> {
        let ip: &Ipv6 = frame.view(at)?;
        let Pair { first: source, second: destination } = ip.addresses;
        if ip.version_and_class >> 4 != Self::VERSION {
            return None;
        }
        let total = Self::LENGTH + usize::from({ ip.payload }.get());
        let mut header = Header {
            source,
            destination,
            protocol: ip.next,
            length: Self::LENGTH,
            total,
            hops: ip.hops,
            fragment: None,
        };
        if ip.next == FRAGMENT {
            let fragment: &FragmentHeader = frame.view(at + Self::LENGTH)?;
            header.protocol = fragment.next;
            header.length += size_of::<FragmentHeader>();
            header.fragment = Some(u64::from({ fragment.offset_and_more }.get() >> 3));
        }
        Some(header)
    }

    #[inline(always)]
    fn sums_up<F: Frame>(_frame: &F, _at: usize) -> bool {
        true
    }
}
