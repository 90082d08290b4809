//! The IP headers of both families.

use super::{
    Part, Unparsed,
    extension::{self, Upper},
};
use crate::{
    frame::{Frame, Pair, Wire},
    net::{Address, Be16, V4, V6, protocol},
    reason::Reason,
};
use network_types::ip::{Ipv4Hdr, Ipv6Hdr};

/// What an IP header says.
#[derive(Clone, Copy, Debug)]
pub struct IpHeader<A> {
    /// The sender.
    pub source: A,
    /// The receiver.
    pub destination: A,
    /// What follows: a transport protocol, or an extension header.
    pub protocol: u8,
    /// Length of the header.
    pub header: usize,
    /// Length of header and payload.
    pub total: usize,
    /// More-fragments (bit 13) and the fragment's offset (0..13); IPv6 says so in an extension header.
    pub fragment: u16,
}

/// A family whose headers can be read.
pub trait Family: Address {
    /// The number of its control messages' protocol.
    const ICMP: u8;

    /// Is this the number of an extension header, and not of a transport protocol?
    fn extends(protocol: u8) -> bool;

    /// Reads and checks the IP header at offset `at`.
    ///
    /// # Errors
    /// [`Unparsed`] for headers that end early or contradict themselves.
    fn header<F: Frame>(frame: &F, at: usize) -> Result<IpHeader<Self>, Unparsed<Self>>;

    /// What the IP header at offset `at` carries, behind its extension headers.
    ///
    /// # Errors
    /// [`Reason::ExtensionHeader`] and [`Reason::Malformed`].
    fn upper<F: Frame>(frame: &F, ip: &IpHeader<Self>, at: usize) -> Result<Upper, Reason>;
}

/// An IPv4 header without options (RFC 791 section 3.1).
///
/// Not `network_types`': its fields are byte arrays, out of which the compiler assembles words byte by
/// byte.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Ipv4 {
    pub(crate) version_and_length: u8,
    _service: u8,
    pub(crate) total: Be16,
    _identification: u16,
    pub(crate) flags_and_offset: Be16,
    pub(crate) time_to_live: u8,
    pub(crate) protocol: u8,
    _checksum: u16,
    pub(crate) addresses: Pair<V4>,
}
const _: () = assert!(size_of::<Ipv4>() == Ipv4Hdr::LEN);
// SAFETY: packed integers.
unsafe impl Wire for Ipv4 {}

/// An IPv6 header (RFC 8200 section 3).
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Ipv6 {
    pub(crate) version_and_class: u8,
    _class_and_flow: [u8; 3],
    pub(crate) payload: Be16,
    pub(crate) next: u8,
    pub(crate) hops: u8,
    pub(crate) addresses: Pair<V6>,
}
const _: () = assert!(size_of::<Ipv6>() == Ipv6Hdr::LEN);
// SAFETY: packed integers.
unsafe impl Wire for Ipv6 {}

/// Offset of the identification in an IPv4 header.
const IDENTIFICATION: usize = 4;
/// More-fragments in [`IpHeader::fragment`].
const MORE: u16 = 1 << 13;

impl Family for V4 {
    const ICMP: u8 = protocol::ICMP;

    #[inline(always)]
    fn extends(_protocol: u8) -> bool {
        false
    }

    #[inline(always)]
    fn header<F: Frame>(frame: &F, at: usize) -> Result<IpHeader<Self>, Unparsed<Self>> {
        let ip: &Ipv4 = frame.view(at).ok_or(Unparsed::NoAddress)?;
        let Pair { first: source, second: destination } = ip.addresses;
        // The length comes in words of four bytes, so 15 of them at most.
        let header = usize::from(ip.version_and_length & 0x0f) * 4;
        let total = usize::from({ ip.total }.get());
        if ip.version_and_length >> 4 != 4 || header < Ipv4Hdr::LEN || total < header {
            return Err(Unparsed::For { destination, reason: Reason::Malformed });
        }
        let fragment = { ip.flags_and_offset }.get() & (MORE | (MORE - 1));
        Ok(IpHeader { source, destination, protocol: ip.protocol, header, total, fragment })
    }

    #[inline(always)]
    fn upper<F: Frame>(frame: &F, ip: &IpHeader<Self>, at: usize) -> Result<Upper, Reason> {
        let part = match ip.fragment {
            0 => Part::Whole,
            MORE => Part::First,
            _ => Part::Later,
        };
        let identification = match part {
            Part::Whole => 0,
            _ => frame.read::<Be16>(at + IDENTIFICATION).ok_or(Reason::Malformed)?.raw(),
        };
        Ok(Upper {
            protocol: ip.protocol,
            at: (at + ip.header) as u8,
            part,
            identification: u32::from(identification),
        })
    }
}

impl Family for V6 {
    const ICMP: u8 = protocol::ICMPV6;

    #[inline(always)]
    fn extends(protocol: u8) -> bool {
        extension::extends(protocol)
    }

    #[inline(always)]
    fn header<F: Frame>(frame: &F, at: usize) -> Result<IpHeader<Self>, Unparsed<Self>> {
        let ip: &Ipv6 = frame.view(at).ok_or(Unparsed::NoAddress)?;
        let Pair { first: source, second: destination } = ip.addresses;
        // In the tables they are IPv4 addresses; on the wire they are nobody's.
        if source.is_mapped() || destination.is_mapped() {
            return Err(Unparsed::NoAddress);
        }
        if ip.version_and_class >> 4 != 6 {
            return Err(Unparsed::For { destination, reason: Reason::Malformed });
        }
        Ok(IpHeader {
            source,
            destination,
            protocol: ip.next,
            header: Ipv6Hdr::LEN,
            total: Ipv6Hdr::LEN + usize::from({ ip.payload }.get()),
            fragment: 0,
        })
    }

    #[inline(always)]
    fn upper<F: Frame>(frame: &F, ip: &IpHeader<Self>, at: usize) -> Result<Upper, Reason> {
        extension::follow(frame, ip.protocol, at + Ipv6Hdr::LEN)
    }
}
