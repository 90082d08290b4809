//! The packet's bytes. Implementations do every bounds check and all pointer arithmetic; nothing
//! else in the packet path touches an address.
//!
//! Contract: `read` and `write` at an offset succeed only if the whole value lies in the part of
//! the packet that is directly accessible (with multi-buffer packets the first fragment, which
//! holds at least the headers). Offsets count from the Ethernet header. A successful access says
//! nothing about the next one: lengths can't change in between, but the check is made again, as the
//! kernel's verifier demands to see it beside the access.

use crate::net::{Be16, Mac, V4, V6};

/// Types that may be copied out of and into a packet.
///
/// # Safety
/// No padding and no invalid bit patterns; alignment is irrelevant, accesses are unaligned.
pub unsafe trait Wire: Copy {}

// SAFETY: byte arrays and a u16, `repr(C)`, no padding in this order.
unsafe impl Wire for network_types::ip::Ipv4Hdr {}
// SAFETY: as above.
unsafe impl Wire for network_types::ip::Ipv6Hdr {}
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

/// A packet as it came in, to be rewritten in place.
pub trait Frame {
    /// The value at `offset`, or `None` if it is not wholly there.
    fn read<T: Wire>(&self, offset: usize) -> Option<T>;

    /// Replaces the value at `offset`; `None` if it is not wholly there, and then nothing changes.
    fn write<T: Wire>(&mut self, offset: usize, value: T) -> Option<()>;

    /// The Ethernet address at `offset`: two loads, where six bytes would be six.
    #[inline(always)]
    fn read_mac(&self, offset: usize) -> Option<Mac> {
        Some(Mac::from_halves(self.read(offset)?, self.read(offset + 4)?))
    }

    /// The inverse of [`Frame::read_mac`].
    #[inline(always)]
    fn write_mac(&mut self, offset: usize, mac: Mac) -> Option<()> {
        let (first, last) = mac.halves();
        self.write(offset, first)?;
        self.write(offset + 4, last)
    }

    /// True if the whole packet, all its buffers together, has at least `bytes` bytes.
    fn holds(&self, bytes: usize) -> bool;

    /// Index of the interface it came in by.
    fn ingress(&self) -> u32;
}
