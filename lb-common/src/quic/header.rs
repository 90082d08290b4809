//! The destination connection id, where every version of QUIC has it (RFC 8999 section 5).

use crate::{
    frame::{Frame, Wire},
    net::Be16,
    state::{
        CidOctets,
        quic::{Block, ROTATIONS},
    },
    tables::Tables,
};
use network_types::udp::UdpHdr;

/// Offset of the length in a UDP header.
const UDP_LENGTH: usize = 4;

/// The first octets of a long header, up to the id. A short one has its id behind the first octet, and no
/// length.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct LongHeader {
    form: u8,
    version: u32,
    id_length: u8,
}
// SAFETY: packed integers.
unsafe impl Wire for LongHeader {}

/// Sixteen octets of a packet.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Octets(u64, u64);
// SAFETY: packed integers.
unsafe impl Wire for Octets {}

impl Octets {
    #[inline(always)]
    const fn block(&self) -> Block {
        [u64::from_le(self.0), u64::from_le(self.1)]
    }
}

/// Reads the octets of a UDP packet's connection id, and says which entry of `QUIC` they are to be read by;
/// `None` if there is none, or they are too few.
///
/// Reads on behind the id: a packet has 20 octets or more there (RFC 9001 section 5.4.2 has the sample end
/// there), and what is shorter is not routable.
#[inline(always)]
pub(super) fn octets<F: Frame, T: Tables>(
    frame: &F,
    tables: &T,
    service: u32,
    transport: usize,
    id: &mut CidOctets,
) -> Option<u32> {
    let payload = transport + UdpHdr::LEN;
    let header: &LongHeader = frame.view(payload)?;
    // Without branches: the verifier would walk all that follows once for each form.
    let long = usize::from(header.form >> 7);
    // Version negotiation goes to clients only.
    if header.version == 0 && long == 1 {
        return None;
    }
    let length = u32::from(header.id_length) | (long as u32).wrapping_sub(1);
    let mut at = payload + 1 + long * (size_of::<LongHeader>() - 1);
    let index = service * ROTATIONS + ((u32::from(frame.read::<u8>(at)?) * ROTATIONS) >> 8);
    let config = tables.quic(index)?;
    // Servers may add octets of their own.
    if length <= config.length {
        return None;
    }
    at += 1;
    let end = transport + usize::from(frame.read::<Be16>(transport + UDP_LENGTH)?.get());
    if at + config.length as usize > end {
        return None;
    }
    id.start = frame.view::<Octets>(at)?.block();
    // The mask is for the verifier, which knows nothing of what a map holds.
    id.right = frame.view::<Octets>(at + (config.right_at & 15) as usize)?.block();
    Some(index)
}
