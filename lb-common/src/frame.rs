//! The packet's bytes. Implementations do every bounds check and all pointer arithmetic; nothing
//! else in the packet path touches an address.
//!
//! Contract: `read` and `write` at an offset succeed only if the whole value lies in the part of
//! the packet that is directly accessible (with multi-buffer packets the first fragment, which
//! holds at least the headers). Offsets count from the Ethernet header, as if no VLAN tags stood in
//! it: once [`Frame::skip_tag`] has stepped over them, the type that they announce is at offset 12 and
//! the network header at 14, whatever lies before. A successful access says
//! nothing about the next one: lengths can't change in between, but the check is made again, as the
//! kernel's verifier demands to see it beside the access.

use crate::{
    net::{Address, Be16, Mac, V4, V6},
    packet::Packet,
};

/// Types that may be copied out of and into a packet.
///
/// # Safety
/// No padding and no invalid bit patterns; alignment is irrelevant, accesses are unaligned.
pub unsafe trait Wire: Copy {}

// SAFETY: an integer.
unsafe impl Wire for u8 {}
// SAFETY: an integer.
unsafe impl Wire for u16 {}
// SAFETY: an integer.
unsafe impl Wire for u32 {}
// SAFETY: transparent over an integer.
unsafe impl Wire for Be16 {}
// SAFETY: transparent over an integer.
unsafe impl Wire for V4 {}
// SAFETY: transparent over two integers.
unsafe impl Wire for V6 {}

/// Two values side by side, source and destination in the order that their header has: read and
/// written together, as each access costs a bounds check.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct Pair<T> {
    /// The one at the lower offset.
    pub first: T,
    /// The other.
    pub second: T,
}
// SAFETY: packed, so nothing lies between or after two values without padding.
unsafe impl<T: Wire> Wire for Pair<T> {}

/// An Ethernet address as it stands in a header, in two words: byte by byte it would be six loads.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct WireMac(u32, u16);
// SAFETY: packed integers.
unsafe impl Wire for WireMac {}

impl WireMac {
    /// The address.
    #[inline(always)]
    pub const fn get(self) -> Mac {
        Mac::from_halves(self.0, self.1)
    }
}

impl From<Mac> for WireMac {
    #[inline(always)]
    fn from(mac: Mac) -> Self {
        let (first, last) = mac.halves();
        Self(first, last)
    }
}

/// Bytes of a VLAN tag (IEEE 802.1Q): protocol identifier and control information.
pub const TAG: usize = 4;

/// Bytes that [`Frame::sum`] takes: what `bpf_csum_diff` did before Linux 6.13.
pub const MOST_SUMMED: usize = 512;

/// A packet as it came in, to be rewritten in place.
pub trait Frame {
    /// The value at `offset`, or `None` if it is not wholly there.
    fn read<T: Wire>(&self, offset: usize) -> Option<T>;

    /// The value at `offset` in its place, or `None` if it is not wholly there. One check for all its
    /// fields, of which only those are loaded that are looked at. Only for types of alignment 1.
    fn view<T: Wire>(&self, offset: usize) -> Option<&T>;

    /// Replaces the value at `offset`; `None` if it is not wholly there, and then nothing changes.
    fn write<T: Wire>(&mut self, offset: usize, value: T) -> Option<()>;

    /// The two addresses of the Ethernet header: destination, source.
    fn macs(&self) -> Option<(Mac, Mac)>;

    /// Replaces the two addresses of the Ethernet header.
    fn set_macs(&mut self, destination: Mac, source: Mac) -> Option<()>;

    /// Bytes of tags that were stepped over.
    fn tags(&self) -> usize;

    /// Offsets count from behind so many bytes of tags from here on, two tags at most.
    fn step_over(&mut self, tags: usize);

    /// Steps over the outermost tag that was not stepped over yet.
    #[inline(always)]
    fn skip_tag(&mut self) {
        self.step_over(self.forget((self.tags() + TAG) as u64) as usize);
    }

    /// Makes room for `bytes` bytes before the network header; what was at offset `n` is then at `n + bytes`.
    /// Tags stay where they belong; the Ethernet addresses are undefined. `None` if there is no room, and
    /// then nothing changes.
    fn grow(&mut self, bytes: usize) -> Option<()>;

    /// Removes `bytes` bytes from the network header on; the inverse of [`Frame::grow`], of which all is
    /// true here but that the Ethernet addresses are kept.
    fn shrink(&mut self, bytes: usize) -> Option<()>;

    /// Cuts the packet off at offset `end`, which lies within it. `None` if the driver can't, and then
    /// nothing changes.
    fn truncate(&mut self, end: usize) -> Option<()>;

    /// The sum of the 32-bit words, as the machine loads them, of `bytes` bytes at `offset`, or a number with
    /// the same remainder modulo 65535: what a checksum is made of. `None` if they are not wholly there.
    /// `bytes` is a multiple of four and at most [`MOST_SUMMED`].
    fn sum(&self, offset: usize, bytes: usize) -> Option<u64>;

    /// True if the whole packet, all its buffers together, reaches offset `bytes`.
    fn holds(&self, bytes: usize) -> bool;

    /// The same number; in the kernel one that the verifier knows nothing of, so that it walks what follows
    /// once, and not once for each way to get the number.
    #[inline(always)]
    fn forget(&self, number: u64) -> u64 {
        number
    }

    /// The same for what was read of a packet.
    fn forget_packet<A: Address>(&self, packet: &mut Packet<A>) {
        let _same = packet;
    }

    /// Index of the interface it came in by.
    fn ingress(&self) -> u32;
}
