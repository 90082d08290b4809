//! Handles to the maps, taken once; no map has a name after this file. Reading is in `read`, writing in
//! `write`.

use std::{fmt, os::fd::AsFd as _, sync::Arc};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    maps::{Array, HashMap as BpfHashMap, LpmTrie, Map, MapData, PerCpuArray, ProgramArray, RingBuf},
};
use lb_common::{
    net::Ip,
    settings::Settings,
    shared::Word,
    state::{
        Audit, Backend, BackendId, Binding, CidConfig, Load, MemberKey, Port, ServerHome, ServerKey, Service,
        ServiceKey, Traffic, Tunnel,
    },
};

use super::{
    Name, Sessions,
    mapped::{Mapped, Shared},
    raw::Raw,
    scan::FlowTable,
    specs::Spec,
};

type Table<T> = Array<MapData, Raw<T>>;
type Hash<K, V> = BpfHashMap<MapData, Raw<K>, Raw<V>>;

/// The maps of a loaded program.
pub struct Kernel {
    pub(super) flows: FlowTable,
    pub(super) bindings: Mapped<Binding>,
    pub(super) ports: Mapped<Port>,
    /// Stored sessions.
    pub sessions: Sessions,
    /// Bits of service addresses.
    pub(super) addresses: Mapped<Word>,
    pub(super) services: Hash<ServiceKey, Service>,
    /// By what follows the length in an [`lb_common::state::AccessKey`].
    pub(super) access: LpmTrie<MapData, [u32; 5], u32>,
    /// As `access`.
    pub(super) masks: LpmTrie<MapData, [u32; 5], u32>,
    pub(super) members: Hash<MemberKey, BackendId>,
    pub(super) loads: Mapped<Load>,
    pub(super) ghosts: Arc<Mapped<Word>>,
    pub(super) audit: PerCpuArray<MapData, Raw<Audit>>,
    /// Until somebody listens.
    pub(super) events: Option<RingBuf<MapData>>,
    pub(super) slots: Mapped<Word>,
    pub(super) backends: Table<Backend>,
    pub(super) health: Table<u32>,
    pub(super) sources: Table<Ip>,
    pub(super) quic: Table<CidConfig>,
    pub(super) servers: Hash<ServerKey, ServerHome>,
    pub(super) tunnels: Table<Tunnel>,
    pub(super) counters: PerCpuArray<MapData, u64>,
    pub(super) traffic: PerCpuArray<MapData, Raw<Traffic>>,
    pub(super) meta: Table<Settings>,
    pub(super) names: Table<Name>,
    /// The kernel empties it once this handle and the pin are gone.
    pub(super) programs: ProgramArray<MapData>,
    pub(super) specs: Vec<Spec>,
    /// What the program was loaded with.
    pub(super) settings: Settings,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("specs", &self.specs).finish_non_exhaustive()
    }
}

impl Kernel {
    pub(super) fn take(
        ebpf: &mut Ebpf,
        [meta, names]: [MapData; 2],
        specs: &[Spec],
        settings: Settings,
    ) -> Result<Self> {
        let mut map =
            |name: &'static str| ebpf.take_map(name).with_context(|| format!("the object lacks {name}"));
        let flows = mapped(map("FLOWS")?, "FLOWS", specs)?;
        let bindings = mapped(map("BINDINGS")?, "BINDINGS", specs)?;
        let ports = mapped(map("PORTS")?, "PORTS", specs)?;
        let loads = mapped(map("LOADS")?, "LOADS", specs)?;
        let slots = mapped(map("SLOTS")?, "SLOTS", specs)?;
        let addresses = mapped(map("ADDRESSES")?, "ADDRESSES", specs)?;
        let ghosts = mapped(map("GHOSTS")?, "GHOSTS", specs)?;
        let strangers = mapped(map("STRANGERS")?, "STRANGERS", specs)?;
        Ok(Self {
            flows: FlowTable(flows),
            bindings,
            ports,
            sessions: Sessions::new([map("AFFINITY")?, map("PINS")?], Arc::new(strangers), settings)?,
            addresses,
            services: map("SERVICES")?.try_into()?,
            access: map("ACCESS")?.try_into()?,
            masks: map("MASKS")?.try_into()?,
            members: map("MEMBERS")?.try_into()?,
            loads,
            ghosts: Arc::new(ghosts),
            audit: map("AUDIT")?.try_into()?,
            events: Some(map("EVENTS")?.try_into()?),
            slots,
            backends: map("BACKENDS")?.try_into()?,
            health: map("HEALTH")?.try_into()?,
            sources: map("SOURCES")?.try_into()?,
            quic: map("QUIC")?.try_into()?,
            servers: map("SERVER_IDS")?.try_into()?,
            tunnels: map("TUNNELS")?.try_into()?,
            counters: map("COUNTERS")?.try_into()?,
            traffic: map("TRAFFIC")?.try_into()?,
            meta: Map::Array(meta).try_into()?,
            names: Map::Array(names).try_into()?,
            programs: map("PROGRAMS")?.try_into()?,
            specs: specs.to_vec(),
            settings,
        })
    }
}

/// Maps an array map into memory.
fn mapped<T: Shared>(map: Map, name: &str, specs: &[Spec]) -> Result<Mapped<T>> {
    let entries = specs.iter().find(|spec| spec.name == name).map_or(0, |spec| spec.entries);
    let Map::Array(map) = map else { bail!("{name} is not an array") };
    Mapped::new(map.fd().as_fd(), entries).with_context(|| format!("cannot map {name} into memory"))
}
