//! `HANDOVER`: the packet that the first two programs leave to the third, as they have read it.
//!
//! Each CPU has one, for the packet under way: no packet program interrupts another on the same CPU (but see
//! docs/decisions/0010).

use super::layout;
use crate::{
    net::{Address, V4, V6},
    packet::Packet,
    shared::Word,
};

/// A SYN, or a packet that nobody knows the connection of.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Handover {
    /// 32-bit words of its addresses. A shared word, as the compiler reads that where it stands: the verifier walks a
    /// fifth less.
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

macro_rules! handed_over {
    ($family:ty, $place:ident) => {
        impl HandedOver for $family {
            #[inline(always)]
            fn place(handover: &Handover) -> &Packet<Self> {
                &handover.$place
            }

            #[inline(always)]
            fn place_mut(handover: &mut Handover) -> &mut Packet<Self> {
                &mut handover.$place
            }
        }
    };
}

handed_over!(V4, v4);
handed_over!(V6, v6);

impl Handover {
    /// Writes the packet into its place. What else is handed over is written beside it.
    #[inline(always)]
    pub fn put<A: HandedOver>(&mut self, packet: &Packet<A>) {
        *A::place_mut(self) = *packet;
        self.words.store(A::WORDS as u64);
    }

    /// 32-bit words of its packet's addresses.
    #[inline(always)]
    pub fn words(&self) -> usize {
        self.words.load() as usize
    }
}
