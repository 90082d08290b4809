//! Stages beside the established path, each a *global* function: the kernel's verifier walks it once, by
//! itself, with any arguments, and not again for each of the many ways to get there (Linux 5.6, commit
//! 51c39bb1d5d1). Within one function the ways multiply; between these they add up.
//!
//! Arguments and results are plain numbers, and pointers to plain data that may be null in the eyes of the
//! verifier.

use lb_common::{
    net::{Address, V4, V6},
    packet::{Packet, TcpFlags},
    quic,
    reason::Reason,
    stage::{self, Packed},
    state::{
        CidOctets, Event, Expense, Service, SessionKey,
        flow::{Entry, Phase},
    },
    tables::Tables as _,
};

use crate::{
    maps::{AUDIT, EVENTS},
    tables::BpfTables,
};

/// Set in a result that is no value.
const NONE: u64 = 1 << 63;

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

/// [`stage::flow::renew`].
#[inline(always)]
pub(crate) fn renew<A: Address>(packet: &Packet<A>, old: Entry, new: Entry) -> bool {
    let packet = core::ptr::from_ref(packet);
    let word = if A::WORDS == V4::WORDS {
        limpet_renew_v4(packet.cast(), old.raw(), new.raw())
    } else {
        limpet_renew_v6(packet.cast(), old.raw(), new.raw())
    };
    word != NONE
}

/// [`quic::read`].
#[inline(always)]
pub(crate) fn read_id(config: u32, id: &mut CidOctets) -> bool {
    limpet_read_id(config, core::ptr::from_mut(id)) != 0
}

/// [`stage::promise::choose`].
#[inline(always)]
pub(crate) fn promise(service: &Service, key: &SessionKey, opens: bool) -> Packed {
    Packed(limpet_promise(core::ptr::from_ref(service), core::ptr::from_ref(key), opens.into()))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn limpet_promise(service: *const Service, key: *const SessionKey, opens: u32) -> u64 {
    // SAFETY: null, or a live reference of `promise`.
    let Some(service) = (unsafe { service.as_ref() }) else { return Packed::from(Reason::NoBackend).0 };
    // SAFETY: as above.
    let Some(key) = (unsafe { key.as_ref() }) else { return Packed::from(Reason::NoBackend).0 };
    let id = stage::promise::choose(&BpfTables, service, key, opens != 0).map(|id| u64::from(id.0));
    Packed::from(id).0
}

/// [`stage::nat::take`].
#[inline(always)]
pub(crate) fn take_port(lane: u32, protocol: u8, tcp: TcpFlags) -> Option<u32> {
    let word = limpet_take_port(lane, protocol.into(), tcp.0.into());
    (word & NONE == 0).then_some(word as u32)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn limpet_take_port(lane: u32, protocol: u32, flags: u32) -> u64 {
    let tcp = TcpFlags(flags as u16);
    stage::nat::take(&BpfTables, lane, protocol as u8, tcp).map_or(NONE, u64::from)
}

/// Counts a broken promise under its cause, and reports it.
#[inline(always)]
pub(crate) fn broken(event: &Event) {
    limpet_broken(core::ptr::from_ref(event));
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn limpet_broken(event: *const Event) -> u64 {
    // SAFETY: null, or the live reference of `broken`.
    let Some(event) = (unsafe { event.as_ref() }) else { return 0 };
    if let Some(audit) = AUDIT.get_ptr_mut(event.service()) {
        // SAFETY: this CPU's own element, and no other reference to it lives meanwhile.
        if let Some(count) = unsafe { &mut *audit }.broken.get_mut(event.column()) {
            *count += 1;
        }
    }
    if BpfTables.spend(Expense::Event) {
        // A full ring loses reports; the count above loses nothing.
        let _lost = EVENTS.output(event, 0);
    }
    1
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
    ($family:ty, $keep:ident, $renew:ident) => {
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

        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $renew(packet: *const Packet<$family>, old: u64, new: u64) -> u64 {
            // SAFETY: null, or a live reference of `renew`.
            let Some(packet) = (unsafe { packet.as_ref() }) else { return NONE };
            let (old, new) = (Entry::from_raw(old), Entry::from_raw(new));
            if stage::flow::renew(packet, &BpfTables, old, new) { 0 } else { NONE }
        }
    };
}

family!(V4, limpet_keep_v4, limpet_renew_v4);
family!(V6, limpet_keep_v6, limpet_renew_v6);
