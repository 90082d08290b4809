//! All maps, one sentence each: key -> value, who writes, who reads. Sizes here are placeholders;
//! the daemon sets them from `[limits]` at load time. All are pinned.

use aya_ebpf::{
    btf_maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, ProgramArray, RingBuf},
    macros::btf_map,
};
use lb_common::{
    net::Ip,
    reason::Reason,
    settings::Settings,
    shared::Word,
    state::{
        Audit, Backend, BackendId, Binding, Bucket, Budget, CidConfig, Event, Handover, Load, MemberKey,
        Meter, Port, ServerHome, ServerKey, Service, ServiceKey, Session, SessionKey, Traffic, Tunnel,
        address, quic,
    },
};

/// The daemon maps the array into its memory (Linux 5.5); its elements then start on a page, so
/// that each bucket is one cache line.
const MMAPABLE: usize = 0x400;

/// Hash of a tuple -> its connection, four ways a bucket; written here, swept by the daemon.
#[btf_map]
pub(crate) static FLOWS: Array<Bucket, 1, MMAPABLE> = Array::new();

/// Hash of a fragmented packet -> where its first fragment went, four ways a bucket; written here.
#[btf_map]
pub(crate) static FRAGMENTS: Array<Bucket, 1, MMAPABLE> = Array::new();

/// Source port (and lane) -> the connection it belongs to; written here, read by the daemon.
#[btf_map]
pub(crate) static BINDINGS: Array<Binding, 1, MMAPABLE> = Array::new();

/// The same -> when it was used last, and by whom; written here, swept by the daemon.
#[btf_map]
pub(crate) static PORTS: Array<Port, 1, MMAPABLE> = Array::new();

/// (scope, client) -> backend, for clients not yet proven; written here, read by the daemon.
#[btf_map]
pub(crate) static AFFINITY: LruHashMap<SessionKey, Session, 1> = LruHashMap::new();

/// (scope, client) -> backend, for proven clients; written here, swept and read by the daemon.
#[btf_map]
pub(crate) static PINS: HashMap<SessionKey, Session, 1> = HashMap::new();

/// Bits of service addresses: an address without one is nobody's; written by the daemon.
#[btf_map]
pub(crate) static ADDRESSES: Array<Word, { address::WORDS as usize }, MMAPABLE> = Array::new();

/// (address, port, protocol) -> settings and slots of a service; written by the daemon.
#[btf_map]
pub(crate) static SERVICES: HashMap<ServiceKey, Service, 1> = HashMap::new();

/// (list, prefix) -> may its addresses use the services with that list; written by the daemon. Memory is
/// taken as prefixes come.
#[btf_map]
pub(crate) static ACCESS: LpmTrie<[u32; 5], u32, 1> = LpmTrie::new();

/// Slot -> backend id, a range for each service; written by the daemon.
#[btf_map]
pub(crate) static SLOTS: Array<Word, 1, MMAPABLE> = Array::new();

/// Backend id -> how to reach it; written by the daemon.
#[btf_map]
pub(crate) static BACKENDS: Array<Backend, 1> = Array::new();

/// Hash of a client -> what it is recognised by if its session is lost; written here.
#[btf_map]
pub(crate) static GHOSTS: Array<Word, 1, MMAPABLE> = Array::new();

/// Hash of a client -> bits: is it certain that it has no session? Cleared here, set by the daemon.
#[btf_map]
pub(crate) static STRANGERS: Array<Word, 1, MMAPABLE> = Array::new();

/// (list, prefix) -> bits of an address that identify a client; written by the daemon.
#[btf_map]
pub(crate) static MASKS: LpmTrie<[u32; 5], u32, 1> = LpmTrie::new();

/// (home, service) -> backend, and backend -> home, of services in groups; written by the daemon.
#[btf_map]
pub(crate) static MEMBERS: HashMap<MemberKey, BackendId, 1> = HashMap::new();

/// Backend or home -> its sessions and their bound; written by the daemon, counted up here.
#[btf_map]
pub(crate) static LOADS: Array<Load, 1, MMAPABLE> = Array::new();

/// Service number -> promises kept and broken; written here, read by the daemon.
#[btf_map]
pub(crate) static AUDIT: PerCpuArray<Audit, 1> = PerCpuArray::new();

/// Broken promises, as they happen; written here, read by the daemon.
#[btf_map]
pub(crate) static EVENTS: RingBuf<Event, 1> = RingBuf::new();

/// Backend id -> its state and since when; written by the daemon.
#[btf_map]
pub(crate) static HEALTH: Array<u32, 1> = Array::new();

/// Index -> a source address of rewritten connections; written by the daemon.
#[btf_map]
pub(crate) static SOURCES: Array<Ip, 256> = Array::new();

/// Service and rotation bits -> how connection ids are read; written by the daemon.
#[btf_map]
pub(crate) static QUIC: Array<CidConfig, { quic::ENTRIES as usize }> = Array::new();

/// (scope, server id) -> the backend that it names; written by the daemon.
#[btf_map]
pub(crate) static SERVER_IDS: HashMap<ServerKey, ServerHome, 1> = HashMap::new();

/// Outer family -> what tunnelled packets are wrapped in; written by the daemon.
#[btf_map]
pub(crate) static TUNNELS: Array<Tunnel, { Tunnel::COUNT as usize }> = Array::new();

/// 0 -> how many packets this CPU has answered lately; written here.
#[btf_map]
pub(crate) static ANSWERS: PerCpuArray<Meter, 1> = PerCpuArray::new();

/// Lane -> this CPU's place in its walk over the source ports of it; written here.
#[btf_map]
pub(crate) static CURSOR: PerCpuArray<u32, 1> = PerCpuArray::new();

/// 0 -> the packet that `limpet_new` goes on with on this CPU; written and read here.
#[btf_map]
pub(crate) static HANDOVER: PerCpuArray<Handover, 1> = PerCpuArray::new();

/// 0 -> what this CPU has spent in this tick of what it may store; written here.
#[btf_map]
pub(crate) static BUDGET: PerCpuArray<Budget, 1> = PerCpuArray::new();

/// Reason -> number of times, with room for more reasons; written here, read by the daemon.
#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<u64, { Reason::ROOM }> = PerCpuArray::new();

/// Backend id -> packets, bytes, connections; written here, read by the daemon.
#[btf_map]
pub(crate) static TRAFFIC: PerCpuArray<Traffic, 1> = PerCpuArray::new();

/// Place of `limpet_rare` in [`PROGRAMS`].
pub(crate) const RARE: u32 = 0;
/// Place of `limpet_new`.
pub(crate) const NEW: u32 = 1;

/// Programs that others go on with; filled by the daemon.
#[btf_map]
pub(crate) static PROGRAMS: ProgramArray<2> = ProgramArray::new();

/// Fixed at load time by the daemon; see [`Settings`].
#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Constant<Settings> = Constant::new(Settings::ZERO);

/// Read-only data that the loader overwrites. `MaybeUninit` keeps the compiler from drawing
/// conclusions from the bytes in the object file.
#[repr(transparent)]
pub(crate) struct Constant<T>(core::mem::MaybeUninit<T>);

impl<T> Constant<T> {
    const fn new(value: T) -> Self {
        Self(core::mem::MaybeUninit::new(value))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> &T {
        // SAFETY: initialised by `new` and overwritten only before the program runs.
        unsafe { self.0.assume_init_ref() }
    }
}
