//! TCP segments that the programs for benches and tests write themselves.

use aya_ebpf::programs::XdpContext;

/// An Ethernet frame with an IPv4 packet without options that begins a TCP segment. Of another packet, only what comes
/// before the ports is what it says.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub(crate) struct Segment {
    pub(crate) macs: [u32; 3],
    pub(crate) network: u16,
    _version: [u8; 8],
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) check: u16,
    pub(crate) source: u32,
    pub(crate) destination: u32,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) sequence: u32,
    pub(crate) acknowledged: u32,
    _offset: u8,
    pub(crate) flags: u8,
    _window: u16,
    pub(crate) tcp_check: u16,
}

const _: () = assert!(core::mem::offset_of!(Segment, source) == 14 + 12);
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;

impl Segment {
    /// The packet, if it is as long.
    #[inline(always)]
    pub(crate) fn of(ctx: &mut XdpContext) -> Option<&mut Self> {
        let packet = ctx.data();
        if packet + size_of::<Self>() > ctx.data_end() {
            return None;
        }
        // SAFETY: inside the packet, as checked above; of alignment 1; nobody else has a reference to it.
        Some(unsafe { &mut *(packet as *mut Self) })
    }

    /// Turns both ends' addresses and ports round.
    #[inline(always)]
    pub(crate) fn turn(&mut self) {
        (self.source, self.destination) = (self.destination, self.source);
        (self.source_port, self.destination_port) = (self.destination_port, self.source_port);
    }
}

/// The one's-complement sum of a word's halves.
#[inline(always)]
pub(crate) fn halves(word: u32) -> u32 {
    (word & 0xffff) + (word >> 16)
}

/// The checksum of what has this sum.
#[inline(always)]
pub(crate) fn fold(sum: u32) -> u16 {
    !halves(halves(sum)) as u16
}
