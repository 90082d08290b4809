//! The maps: their names, kinds and sizes, as they must be found in the kernel.

use aya::maps::MapType;
use lb_common::{
    net::Ip,
    reason::Reason,
    settings::Settings,
    state::{
        AccessKey, Audit, Backend, BackendId, Binding, Bucket, Budget, CidConfig, Ghost, Handover, Load,
        MemberKey, Meter, Port, ServerHome, ServerKey, Service, ServiceKey, Session, SessionKey, Traffic,
        Tunnel, address, flow::WAYS, quic, stranger,
    },
};

use super::Name;
use crate::model::{Limits, Nat};

/// Memory-mapped arrays (`BPF_F_MMAPABLE`, Linux 5.5).
const MMAPABLE: u32 = 0x400;
/// Memory is taken entry by entry (`BPF_F_NO_PREALLOC`); a trie can't do otherwise.
const NO_PREALLOC: u32 = 1;

/// Masks of a service, at most.
pub const MOST_MASKS: u32 = 64;
/// Room for some 1,100 events: pages, a power of two.
const EVENTS_BYTES: u32 = 1 << 16;

/// What a map must look like.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Name in the object file and of the pin.
    pub name: &'static str,
    /// Kind.
    pub kind: MapType,
    /// Bytes of a key.
    pub key: u32,
    /// Bytes of a value.
    pub value: u32,
    /// Number of entries.
    pub entries: u32,
    /// Flags at creation.
    pub flags: u32,
}

impl Spec {
    /// True if the number of entries follows from the configuration.
    pub fn is_sized(&self) -> bool {
        !matches!(
            self.name,
            "SOURCES"
                | "QUIC"
                | "TUNNELS"
                | "ANSWERS"
                | "HANDOVER"
                | "BUDGET"
                | "EVENTS"
                | "PROGRAMS"
                | "COUNTERS"
                | "META"
        )
    }

    /// Bytes of keys and values, on all CPUs; an estimate of the kernel's memory that leaves out its
    /// own overhead of 48 bytes or so an entry of a hash. 0 for a map that takes memory as entries come.
    pub fn bytes(&self) -> u64 {
        if self.flags & NO_PREALLOC != 0 {
            return 0;
        }
        let cpus = match self.kind {
            MapType::PerCpuArray => aya::util::nr_cpus().unwrap_or(1) as u64,
            _ => 1,
        };
        let key = match self.kind {
            MapType::Hash | MapType::LruHash => u64::from(self.key),
            _ => 0,
        };
        // The kernel aligns values to 8 bytes.
        u64::from(self.entries) * (key + u64::from(self.value.next_multiple_of(8)) * cpus)
    }
}

/// Sizes that follow from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// `FLOWS` buckets, a power of two.
    pub buckets: u32,
    /// Port ranges in `BINDINGS` and `PORTS`, a power of two.
    pub lanes: u32,
    /// First and last source port.
    pub ports: (u16, u16),
    /// `FRAGMENTS` buckets, a power of two.
    pub fragments: u32,
    /// `GHOSTS`, and words in a half of `STRANGERS`; a power of two.
    pub ghosts: u32,
}

impl Geometry {
    /// From the configuration: rounded up, so that at least as much fits as was asked for.
    pub fn new(limits: &Limits, nat: &Nat) -> Self {
        let ports = u32::from(nat.ports.1 - nat.ports.0) + 1;
        Self {
            // Two ways for each connection: then all but 0.03 % of a full load fit (see `state::flow`).
            buckets: limits.flows.div_ceil(WAYS as u32 / 2).next_power_of_two(),
            lanes: limits.nat_connections.div_ceil(ports).next_power_of_two(),
            ports: nat.ports,
            fragments: limits.fragments.div_ceil(WAYS as u32 / 2).next_power_of_two(),
            ghosts: Ghost::room(limits.pins),
        }
    }

    /// Ports in the range.
    pub fn port_count(&self) -> u32 {
        u32::from(self.ports.1 - self.ports.0) + 1
    }
}

fn size<T>() -> u32 {
    size_of::<T>() as u32
}

/// Every pinned map. The daemon's own (`META`, `NAMES`) come last: the object file does not have
/// them.
pub fn specs(limits: &Limits, geometry: &Geometry) -> Vec<Spec> {
    use MapType::{Array, Hash, LpmTrie, LruHash, PerCpuArray, ProgramArray};
    let array = |name, kind, value, entries| Spec { name, kind, key: 4, value, entries, flags: 0 };
    let mapped = |name, value, entries| Spec { flags: MMAPABLE, ..array(name, Array, value, entries) };
    let hash = |name, kind, key, value, entries| Spec { name, kind, key, value, entries, flags: 0 };
    let trie = |name, key, entries| Spec { flags: NO_PREALLOC, ..hash(name, LpmTrie, key, 4, entries) };
    // Id 0 is nobody.
    let backends = limits.backends + 1;
    vec![
        mapped("FLOWS", size::<Bucket>(), geometry.buckets),
        mapped("FRAGMENTS", size::<Bucket>(), geometry.fragments),
        mapped("BINDINGS", size::<Binding>(), geometry.lanes * geometry.port_count()),
        mapped("PORTS", size::<Port>(), geometry.lanes * geometry.port_count()),
        hash("AFFINITY", LruHash, size::<SessionKey>(), size::<Session>(), limits.affinity),
        hash("PINS", Hash, size::<SessionKey>(), size::<Session>(), limits.pins),
        mapped("ADDRESSES", 8, address::WORDS),
        // Each service may add two entries: its address's mark, and where fragments go.
        hash("SERVICES", Hash, size::<ServiceKey>(), size::<Service>(), limits.services * 3),
        // Each service may have a list of its own, with an entry for everybody else, and a reload puts the
        // new lists beside the old ones.
        trie("ACCESS", size::<AccessKey>(), 2 * (limits.access + limits.services)),
        trie("MASKS", size::<AccessKey>(), 2 * MOST_MASKS * limits.services),
        mapped("SLOTS", 8, limits.slots),
        array("BACKENDS", Array, size::<Backend>(), backends),
        array("HEALTH", Array, 4, backends),
        // A home has an id of its own.
        hash("MEMBERS", Hash, size::<MemberKey>(), size::<BackendId>(), limits.backends * 2),
        mapped("LOADS", size::<Load>(), backends),
        mapped("GHOSTS", 8, geometry.ghosts),
        mapped("STRANGERS", 8, stranger::words(geometry.ghosts)),
        array("AUDIT", PerCpuArray, size::<Audit>(), limits.services + 1),
        Spec { name: "EVENTS", kind: MapType::RingBuf, key: 0, value: 0, entries: EVENTS_BYTES, flags: 0 },
        array("SOURCES", Array, size::<Ip>(), 256),
        array("QUIC", Array, size::<CidConfig>(), quic::ENTRIES),
        // Those that a reload replaces are still there when the new ones come.
        hash("SERVER_IDS", Hash, size::<ServerKey>(), size::<ServerHome>(), limits.backends * 2),
        array("TUNNELS", Array, size::<Tunnel>(), Tunnel::COUNT),
        array("ANSWERS", PerCpuArray, size::<Meter>(), 1),
        array("CURSOR", PerCpuArray, 4, geometry.lanes),
        array("HANDOVER", PerCpuArray, size::<Handover>(), 1),
        array("BUDGET", PerCpuArray, size::<Budget>(), 1),
        array("PROGRAMS", ProgramArray, 4, 2),
        array("COUNTERS", PerCpuArray, 8, Reason::ROOM as u32),
        array("TRAFFIC", PerCpuArray, size::<Traffic>(), backends),
        array("META", Array, size::<Settings>(), 1),
        array("NAMES", Array, size::<Name>(), backends),
    ]
}

/// Names of the maps that only the daemon uses.
pub const DAEMON_ONLY: [&str; 2] = ["META", "NAMES"];
