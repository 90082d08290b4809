//! Stages beside the established path, each a *global* function: the kernel's verifier walks it once, by
//! itself, with any arguments, and not again for each of the many ways to get there (Linux 5.6, commit
//! 51c39bb1d5d1). Within one function the ways multiply; between these they add up.
//!
//! Arguments and results are plain numbers, and pointers to plain data that may be null in the eyes of the
//! verifier.

use lb_common::{
    net::{Address, V4, V6},
    packet::Packet,
    quic,
    reason::Reason,
    stage::{self, Step},
    state::{
        BackendId, CidOctets, Target,
        flow::{Entry, Phase},
    },
};

use crate::tables::BpfTables;

/// Set in a result that is no value.
const NONE: u64 = 1 << 63;

/// [`stage::connect::connect`].
#[inline(always)]
pub(crate) fn connect<A: Address>(packet: &Packet<A>, hash: u64, named: BackendId) -> Step<Target> {
    let packet = core::ptr::from_ref(packet);
    let word = if A::WORDS == V4::WORDS {
        limpet_connect_v4(packet.cast(), hash, named.0)
    } else {
        limpet_connect_v6(packet.cast(), hash, named.0)
    };
    if word & NONE == 0 { Ok(Target::from_raw(word)) } else { Err(Reason::from_index(word as u32)) }
}

/// [`stage::flow::keep`].
#[inline(always)]
pub(crate) fn keep<A: Address>(packet: &Packet<A>, entry: Entry) -> Option<Phase> {
    let packet = core::ptr::from_ref(packet);
    let word = if A::WORDS == V4::WORDS {
        limpet_keep_v4(packet.cast(), entry.raw())
    } else {
        limpet_keep_v6(packet.cast(), entry.raw())
    };
    (word & NONE == 0).then_some(Phase::from_bits(word))
}

/// [`quic::read`].
#[inline(always)]
pub(crate) fn read_id(config: u32, id: &mut CidOctets) -> bool {
    limpet_read_id(config, core::ptr::from_mut(id)) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn limpet_read_id(config: u32, id: *mut CidOctets) -> u64 {
    // SAFETY: null, or the live and only reference of `read_id`.
    let Some(id) = (unsafe { id.as_mut() }) else { return 0 };
    u64::from(quic::read(&BpfTables, config, id))
}

/// The global functions of one family.
macro_rules! family {
    ($family:ty, $connect:ident, $keep:ident) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $connect(packet: *const Packet<$family>, hash: u64, named: u32) -> u64 {
            // SAFETY: null, or a live reference of `connect`.
            let Some(packet) = (unsafe { packet.as_ref() }) else { return NONE };
            match stage::connect::connect(packet, &BpfTables, hash, BackendId(named)) {
                Ok(target) => target.raw(),
                Err(reason) => NONE | reason as u64,
            }
        }

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $keep(packet: *const Packet<$family>, entry: u64) -> u64 {
            // SAFETY: null, or a live reference of `keep`.
            let Some(packet) = (unsafe { packet.as_ref() }) else { return NONE };
            match stage::flow::keep(packet, &BpfTables, Entry::from_raw(entry)) {
                Some(phase) => phase as u64,
                None => NONE,
            }
        }
    };
}

family!(V4, limpet_connect_v4, limpet_keep_v4);
family!(V6, limpet_connect_v6, limpet_keep_v6);
