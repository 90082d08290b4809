//! `HANDOVER`: the packet that the first two programs leave to the third, as they have read it.
//!
//! Each CPU has one, for a packet under way. It is taken once: on kernels that let one packet program interrupt another
//! (`PREEMPT_RT`), the interrupted one finds nothing, and not the other's packet.

use super::layout;
use crate::{
    net::{Address, V4, V6},
    packet::Packet,
    shared::Word,
};

/// A packet that nobody knows the connection of.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Handover {
    /// 32-bit words of its addresses; 0: nothing is handed over.
    words: Word,
    /// Hash of its tuple.
    pub hash: u64,
    /// What the fragments that come after it have in common with it; 0 for a whole packet.
    pub common: u64,
    /// Bytes of tags before its network header.
    pub tags: u64,
    v4: Packet<V4>,
    v6: Packet<V6>,
}
layout!(Handover, size = 176, align = 8);

/// A family whose packets are handed over.
pub trait HandedOver: Address {
    /// Its packet's place.
    fn place(handover: &Handover) -> &Packet<Self>;

    /// The same, to be written.
    fn place_mut(handover: &mut Handover) -> &mut Packet<Self>;
}

impl HandedOver for V4 {
    #[inline(always)]
    fn place(handover: &Handover) -> &Packet<Self> {
        &handover.v4
    }

    #[inline(always)]
    fn place_mut(handover: &mut Handover) -> &mut Packet<Self> {
        &mut handover.v4
    }
}

impl HandedOver for V6 {
    #[inline(always)]
    fn place(handover: &Handover) -> &Packet<Self> {
        &handover.v6
    }

    #[inline(always)]
    fn place_mut(handover: &mut Handover) -> &mut Packet<Self> {
        &mut handover.v6
    }
}

impl Handover {
    /// Writes the packet into its place. What else is handed over is written beside it.
    #[inline(always)]
    pub fn put<A: HandedOver>(&mut self, packet: &Packet<A>) {
        *A::place_mut(self) = *packet;
        self.words.store(A::WORDS as u64);
    }

    /// Takes the packet: 32-bit words of its addresses; 0 if there is none.
    #[inline(always)]
    pub fn take(&self) -> usize {
        let words = self.words.load();
        self.words.store(0);
        words as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_taken_once() {
        let mut handover = Handover::default();
        assert_eq!(handover.take(), 0);
        let (v4, v6) = (Packet { bytes: 40, ..Packet::default() }, Packet { bytes: 60, ..Packet::default() });
        handover.put::<V4>(&v4);
        assert_eq!((handover.take(), *V4::place(&handover)), (V4::WORDS, v4));
        handover.put::<V6>(&v6);
        assert_eq!((handover.take(), *V6::place(&handover)), (V6::WORDS, v6));
        assert_eq!(handover.take(), 0);
    }
}
