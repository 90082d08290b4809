//! [`Tables`] by BPF maps.

use aya_ebpf::{
    bindings::BPF_ANY,
    btf_maps::{LpmTrie, lpm_trie::Key},
    helpers::bpf_get_smp_processor_id,
};
use lb_common::{
    net::{Address, Ip},
    packet::{Packet, TcpFlags},
    reason::Reason,
    settings::Settings,
    shared::Word,
    stage::Packed,
    state::{
        AccessKey, Admission, Backend, BackendId, Binding, Bucket, CidConfig, CidOctets, Event, Expense,
        Handover, Load, MemberKey, Pin, Port, ServerHome, ServerKey, Service, ServiceKey, Session,
        SessionKey, Traffic, Tunnel,
        flow::{Entry, Phase},
    },
    tables::{Cache, Store, Tables},
    time::Tick,
};

use crate::{
    aside, clock,
    maps::{
        ACCESS, ADDRESSES, AFFINITY, ANSWERS, AUDIT, BACKENDS, BINDINGS, BUDGET, COUNTERS, CURSOR, FLOWS,
        FRAGMENTS, GHOSTS, HANDOVER, HEALTH, LOADS, MASKS, MEMBERS, PINS, PORTS, QUIC, SERVER_IDS, SERVICES,
        SETTINGS, SLOTS, SOURCES, STRANGERS, TRAFFIC, TUNNELS,
    },
};

/// What the longest prefix of a list says that a client is in.
#[inline(always)]
fn longest<const N: usize>(trie: &LpmTrie<[u32; 5], u32, N>, list: u32, client: Ip) -> Option<&u32> {
    let key = AccessKey::new(list, client, AccessKey::ADDRESS);
    // SAFETY: both are the kernel's `struct bpf_lpm_trie_key` with 20 bytes of data; `Key` is packed, so any
    // address is aligned for it, and any bytes are one.
    trie.get(unsafe { &*(&raw const key).cast::<Key<[u32; 5]>>() })
}

/// The maps of this program.
pub(crate) struct BpfTables;

impl Tables for BpfTables {
    type Ref<'a, V: 'a> = &'a V;

    #[inline(always)]
    fn now(&self) -> Tick {
        clock::now()
    }

    #[inline(always)]
    fn settings(&self) -> &Settings {
        SETTINGS.get()
    }

    #[inline(always)]
    fn bucket(&self, cache: Cache, index: u32) -> Option<&Bucket> {
        match cache {
            Cache::Flows => FLOWS.get(index),
            Cache::Fragments => FRAGMENTS.get(index),
        }
    }

    #[inline(always)]
    fn binding(&self, index: u32) -> Option<&Binding> {
        BINDINGS.get(index)
    }

    #[inline(always)]
    fn port(&self, index: u32) -> Option<&Port> {
        PORTS.get(index)
    }

    #[inline(always)]
    fn walk(&self, lane: u32) -> u32 {
        match CURSOR.get(lane) {
            // The golden section of the default range: CPUs start far apart, however many there are.
            // SAFETY: the helper takes nothing and returns a number.
            None | Some(0) => unsafe { bpf_get_smp_processor_id() }.wrapping_mul(19_624),
            Some(&at) => at,
        }
    }

    #[inline(always)]
    fn walk_on(&self, lane: u32, at: u32) {
        if let Some(cursor) = CURSOR.get_ptr_mut(lane) {
            // SAFETY: this CPU's own element, and no reference to it lives meanwhile.
            unsafe { *cursor = at };
        }
    }

    #[inline(always)]
    fn hand_over(&self, write: impl FnOnce(&mut Handover)) {
        if let Some(handover) = HANDOVER.get_ptr_mut(0) {
            // SAFETY: this CPU's own element, and no other reference to it lives meanwhile.
            write(unsafe { &mut *handover });
        }
    }

    #[inline(always)]
    fn handed_over(&self) -> Option<&Handover> {
        HANDOVER.get(0)
    }

    #[inline(always)]
    fn spend(&self, expense: Expense) -> bool {
        let Some(budget) = BUDGET.get_ptr_mut(0) else { return false };
        // SAFETY: this CPU's own element, and no other reference to it lives meanwhile.
        unsafe { &mut *budget }.spend(expense, self.now(), self.settings())
    }

    #[inline(always)]
    fn note_full(&self) {
        if let Some(budget) = BUDGET.get_ptr_mut(0) {
            // SAFETY: as in `spend`.
            unsafe { &mut *budget }.note_full(self.now());
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        // SAFETY: as in `spend`.
        BUDGET.get_ptr_mut(0).is_some_and(|budget| unsafe { &*budget }.is_full(self.now()))
    }

    #[inline(always)]
    fn addresses(&self, index: u32) -> u64 {
        ADDRESSES.get(index).map_or(0, Word::load)
    }

    #[inline(always)]
    fn service(&self, key: &ServiceKey) -> Option<&Service> {
        // SAFETY: the memory stays mapped for as long as the map lives. Its content may be given to another
        // key meanwhile (a preallocated element is reused at once): any bytes are a `Service`, and `connect`
        // checks that the backend it led to is the called service's.
        unsafe { SERVICES.get(key) }
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<BackendId> {
        SLOTS.get(index).map(|slot| BackendId(slot.load() as u32))
    }

    #[inline(always)]
    fn backend(&self, id: BackendId) -> Option<&Backend> {
        BACKENDS.get(id.0)
    }

    #[inline(always)]
    fn health_word(&self, id: BackendId) -> u32 {
        HEALTH.get(id.0).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn load(&self, id: BackendId) -> Option<&Load> {
        LOADS.get(id.0)
    }

    #[inline(always)]
    fn member(&self, key: &MemberKey) -> Option<BackendId> {
        // SAFETY: the memory stays mapped for as long as the map lives, and is copied at once. Its content may
        // be given to another key meanwhile: `connect` checks that the backend is the called service's.
        unsafe { MEMBERS.get(key) }.copied()
    }

    #[inline(always)]
    fn mask(&self, list: u32, client: Ip) -> Option<u32> {
        longest(&MASKS, list, client).copied()
    }

    #[inline(always)]
    fn ghost(&self, index: u32) -> Option<&Word> {
        GHOSTS.get(index)
    }

    #[inline(always)]
    fn strangers(&self, index: u32) -> Option<&Word> {
        STRANGERS.get(index)
    }

    #[inline(always)]
    fn source(&self, index: u8) -> Option<Ip> {
        SOURCES.get(u32::from(index)).copied()
    }

    #[inline(always)]
    fn allows(&self, list: u32, client: Ip) -> bool {
        longest(&ACCESS, list, client).is_some_and(|&word| Admission::from_word(word) == Admission::Allow)
    }

    #[inline(always)]
    fn quic(&self, index: u32) -> Option<&CidConfig> {
        QUIC.get(index)
    }

    #[inline(always)]
    fn server(&self, key: &ServerKey) -> Option<ServerHome> {
        // SAFETY: the memory stays mapped for as long as the map lives, and is copied at once. Its content may
        // be given to another key meanwhile: `quic::server` keeps what it leads to within the service.
        unsafe { SERVER_IDS.get(key) }.copied()
    }

    #[inline(always)]
    fn tunnel(&self, index: u32) -> Option<&Tunnel> {
        TUNNELS.get(index)
    }

    #[inline(always)]
    fn may_answer(&self) -> bool {
        let Some(meter) = ANSWERS.get_ptr_mut(0) else { return false };
        // SAFETY: this CPU's own element, and no other reference to it lives meanwhile.
        unsafe { &mut *meter }.take(self.now())
    }

    #[inline(always)]
    fn session(&self, store: Store, key: &SessionKey) -> Option<&Session> {
        match store {
            // SAFETY: the memory stays mapped for as long as the map lives, and a session is made of shared
            // cells. An element may be given to another client meanwhile: `session::home` keeps it within the
            // service; within it, that client may be led to another of the service's backends.
            Store::Pins => unsafe { PINS.get(key) },
            // SAFETY: as above.
            Store::Affinity => unsafe { AFFINITY.get(key) },
        }
    }

    #[inline(always)]
    fn insert_session(&self, store: Store, key: &SessionKey, pin: &Pin) -> bool {
        let session = Session::from(*pin);
        match store {
            Store::Pins => PINS.insert(key, &session, BPF_ANY.into()).is_ok(),
            Store::Affinity => AFFINITY.insert(key, &session, BPF_ANY.into()).is_ok(),
        }
    }

    #[inline(always)]
    fn remove_session(&self, store: Store, key: &SessionKey) {
        // An absent key is what the caller wants.
        let _absent = match store {
            Store::Pins => PINS.remove(key),
            Store::Affinity => AFFINITY.remove(key),
        };
    }

    #[inline(always)]
    fn keep<A: Address>(&self, packet: &Packet<A>, entry: Entry) -> Option<Phase> {
        aside::keep(packet, entry)
    }

    #[inline(always)]
    fn renew<A: Address>(&self, packet: &Packet<A>, old: Entry, new: Entry) -> bool {
        aside::renew(packet, old, new)
    }

    #[inline(always)]
    fn promise(&self, service: &Service, key: &SessionKey, opens: bool) -> Packed {
        aside::promise(service, key, opens)
    }

    #[inline(always)]
    fn take_port(&self, lane: u32, protocol: u8, tcp: TcpFlags) -> Option<u32> {
        aside::take_port(lane, protocol, tcp)
    }

    #[inline(always)]
    fn read_id(&self, config: u32, id: &mut CidOctets) -> bool {
        aside::read_id(config, id)
    }

    #[inline(always)]
    fn count(&self, reason: Reason) {
        if let Some(counter) = COUNTERS.get_ptr_mut(reason as u32) {
            // SAFETY: this CPU's own element.
            unsafe { *counter += 1 };
        }
    }

    #[inline(always)]
    fn kept(&self, service: u32) {
        if let Some(audit) = AUDIT.get_ptr_mut(service) {
            // SAFETY: this CPU's own element, and no other reference to it lives meanwhile.
            unsafe { (*audit).kept += 1 };
        }
    }

    #[inline(always)]
    fn broken(&self, event: &Event) {
        aside::broken(event);
    }

    #[inline(always)]
    fn traffic(&self, id: BackendId, add: impl FnOnce(&mut Traffic)) {
        if let Some(figures) = TRAFFIC.get_ptr_mut(id.0) {
            // SAFETY: this CPU's own element, and no other reference to it lives meanwhile.
            add(unsafe { &mut *figures });
        }
    }
}
