//! IPv6 extension headers (RFC 8200 section 4).

use super::Part;
use crate::{
    frame::{Frame, Wire},
    net::Be16,
    reason::Reason,
};

/// Extension headers that are followed. Hosts send one or two; RFC 8504 section 5.3 lets a receiver set a
/// bound.
const HEADERS: usize = 6;

// IANA "IPv6 Extension Header Types".
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

/// What lies behind the IP header and its extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upper {
    /// Transport protocol.
    pub protocol: u8,
    /// Offset in the frame. A byte: see [`crate::packet::Packet::transport`].
    pub at: u8,
    /// Is it a fragment?
    pub part: Part,
    /// The fragment's identification, as it stands in the header.
    pub identification: u32,
}

impl Upper {
    const FAILED: u64 = 1 << 63;

    /// As one word, which a function may return that is not inlined.
    #[inline(always)]
    pub const fn pack(this: Result<Self, Reason>) -> u64 {
        match this {
            Ok(it) => {
                it.identification as u64
                    | (it.at as u64) << 32
                    | (it.protocol as u64) << 40
                    | (it.part as u64) << 48
            }
            Err(reason) => Self::FAILED | reason as u64,
        }
    }

    /// The inverse of [`Upper::pack`].
    ///
    /// # Errors
    /// The packed one.
    #[inline(always)]
    pub const fn unpack(word: u64) -> Result<Self, Reason> {
        if word & Self::FAILED != 0 {
            return Err(Reason::from_index(word as u32));
        }
        Ok(Self {
            identification: word as u32,
            at: (word >> 32) as u8,
            protocol: (word >> 40) as u8,
            part: match (word >> 48) & 3 {
                0 => Part::Whole,
                1 => Part::First,
                _ => Part::Later,
            },
        })
    }
}

/// The start of each extension header; of the fragment header, all of it.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Extension {
    next: u8,
    /// Length in words of 8 bytes, without the first; reserved in a fragment header.
    length: u8,
    /// Fragment: offset (bits 3..16) and more-fragments (bit 0). Routing: type and segments left.
    word: Be16,
    identification: u32,
}
const _: () = assert!(size_of::<Extension>() == 8);
// SAFETY: packed integers.
unsafe impl Wire for Extension {}

/// Is this the type of an extension header?
#[inline(always)]
pub(super) const fn extends(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION | AUTHENTICATION | MOBILITY | HOST_IDENTITY | SHIM6
    )
}

/// Follows the chain from a header of type `next` at offset `at` on, which fits a byte.
///
/// # Errors
/// [`Reason::ExtensionHeader`]: a header that would not survive a rewrite (AH) or that only a router or
/// another kind of host makes sense of, one that sends the packet on to somebody else (routing with
/// segments left), too many of them, or too long ones. [`Reason::Malformed`]: the chain leads beyond what
/// can be read.
#[inline(always)]
pub(super) fn follow<F: Frame>(frame: &F, next: u8, at: usize) -> Result<Upper, Reason> {
    let mut upper = Upper { protocol: next, at: at as u8, part: Part::Whole, identification: 0 };
    for _ in 0..HEADERS {
        if !extends(upper.protocol) {
            return Ok(upper);
        }
        let header: &Extension = frame.view(usize::from(upper.at)).ok_or(Reason::Malformed)?;
        let word = { header.word }.get();
        let mut length = 8 + 8 * u32::from(header.length);
        match upper.protocol {
            HOP_BY_HOP | DESTINATION => {}
            ROUTING if word & 0x00ff == 0 => {}
            FRAGMENT if upper.part == Part::Whole => {
                length = 8;
                // One that is the first and the last is whole (RFC 6946). The bits between are reserved.
                (upper.part, upper.identification) = match word & 0xfff9 {
                    0 => (Part::Whole, 0),
                    1 => (Part::First, header.identification),
                    _ => (Part::Later, header.identification),
                };
            }
            _ => return Err(Reason::ExtensionHeader),
        }
        upper.protocol = header.next;
        let end = u32::from(upper.at) + length;
        if end > u32::from(u8::MAX) {
            return Err(Reason::ExtensionHeader);
        }
        upper.at = end as u8;
        if upper.part == Part::Later {
            return Ok(upper);
        }
    }
    if extends(upper.protocol) { Err(Reason::ExtensionHeader) } else { Ok(upper) }
}
