//! Handles to the maps, taken once; no map has a name after this file.

use std::{fmt, os::fd::AsFd as _};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    maps::{
        Array, HashMap as BpfHashMap, IterableMap as _, Map, MapData, MapError, PerCpuArray, PerCpuValues,
    },
    util::nr_cpus,
};
use lb_common::{
    net::Ip,
    reason::Reason,
    state::{Backend, BackendId, Bucket, Health, Pin, Plain, Service, ServiceKey, SessionKey, Traffic},
    tables::Store,
    time::Tick,
};

use super::{
    Dataplane, batch,
    raw::Raw,
    scan::{FlowCounts, FlowTable},
    specs::Spec,
};

/// Who a backend id belongs to: what the next daemon recognises it by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Name {
    service: [u8; 64],
    backend: [u8; 64],
}
// SAFETY: bytes only.
unsafe impl Plain for Name {}

impl Name {
    /// A name pair; each is at most 63 bytes, as the configuration demands.
    pub fn new(service: &str, backend: &str) -> Self {
        let field = |text: &str| {
            let mut field = [0; 64];
            field[..text.len()].copy_from_slice(text.as_bytes());
            field
        };
        Self { service: field(service), backend: field(backend) }
    }

    /// The service's name.
    pub fn service(&self) -> String {
        text(&self.service)
    }

    /// The backend's name.
    pub fn backend(&self) -> String {
        text(&self.backend)
    }
}

fn text(field: &[u8; 64]) -> String {
    String::from_utf8_lossy(field.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

/// A session as stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredSession {
    /// Scope and client.
    pub key: SessionKey,
    /// Backend and times.
    pub pin: Pin,
    /// Which map it is in.
    pub store: Store,
}

/// Counters of all CPUs together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Figures {
    /// By reason.
    pub reasons: Vec<(Reason, u64)>,
}

type Table<T> = Array<MapData, Raw<T>>;
type Hash<K, V> = BpfHashMap<MapData, Raw<K>, Raw<V>>;

/// A session's two words, as a map value that can be copied.
type SessionWords = [u64; 2];

/// The maps of a loaded program.
pub struct Kernel {
    flows: FlowTable,
    affinity: Hash<SessionKey, SessionWords>,
    pins: Hash<SessionKey, SessionWords>,
    services: Hash<ServiceKey, Service>,
    slots: Table<u32>,
    backends: Table<Backend>,
    health: Table<u32>,
    sources: Table<Ip>,
    counters: PerCpuArray<MapData, u64>,
    traffic: PerCpuArray<MapData, Raw<Traffic>>,
    names: Table<Name>,
    specs: Vec<Spec>,
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel").field("specs", &self.specs).finish_non_exhaustive()
    }
}

impl Kernel {
    pub(super) fn take(ebpf: &mut Ebpf, names: MapData, specs: &[Spec]) -> Result<Self> {
        let mut map =
            |name: &'static str| ebpf.take_map(name).with_context(|| format!("the object lacks {name}"));
        let buckets = specs.iter().find(|spec| spec.name == "FLOWS").map_or(0, |spec| spec.entries);
        let Map::Array(flows) = map("FLOWS")? else { bail!("FLOWS is not an array") };
        Ok(Self {
            flows: FlowTable::map(flows.fd().as_fd(), buckets).context("cannot map FLOWS into memory")?,
            affinity: map("AFFINITY")?.try_into()?,
            pins: map("PINS")?.try_into()?,
            services: map("SERVICES")?.try_into()?,
            slots: map("SLOTS")?.try_into()?,
            backends: map("BACKENDS")?.try_into()?,
            health: map("HEALTH")?.try_into()?,
            sources: map("SOURCES")?.try_into()?,
            counters: map("COUNTERS")?.try_into()?,
            traffic: map("TRAFFIC")?.try_into()?,
            names: Map::Array(names).try_into()?,
            specs: specs.to_vec(),
        })
    }
}

/// What the daemon reads.
impl Kernel {
    /// Every id that belongs to somebody, with its recipe and health.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_backends(&self) -> Result<Vec<(BackendId, Name, Backend, Health)>> {
        let mut found = Vec::new();
        for id in 1..self.backends.len() {
            let health = Health::from_word(self.health.get(&id, 0)?.0);
            if health != Health::Absent {
                found.push((BackendId(id), self.names.get(&id, 0)?.0, self.backends.get(&id, 0)?.0, health));
            }
        }
        Ok(found)
    }

    /// The recipe at `id`, of whatever generation.
    ///
    /// # Errors
    /// The id is beyond the table, or the system call failed.
    pub fn recipe(&self, id: BackendId) -> Result<Backend> {
        Ok(self.backends.get(&id.0, 0)?.0)
    }

    /// Every service entry, address markers included.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_services(&self) -> Result<Vec<(ServiceKey, Service)>> {
        self.services
            .iter()
            .map(|entry| entry.map(|(key, value)| (key.0, value.0)).map_err(Into::into))
            .collect()
    }

    /// Source addresses in use, from index 0 to the last that is set.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_sources(&self) -> Result<Vec<Ip>> {
        let mut sources = Vec::new();
        for index in 0..self.sources.len() {
            sources.push(self.sources.get(&index, 0)?.0);
        }
        let used = sources.iter().rposition(|ip| *ip != Ip::default()).map_or(0, |last| last + 1);
        sources.truncate(used);
        Ok(sources)
    }

    /// All counters, summed over the CPUs.
    ///
    /// # Errors
    /// A system call failed.
    pub fn figures(&self) -> Result<Figures> {
        let sum = |&reason: &Reason| Ok((reason, self.counters.get(&(reason as u32), 0)?.iter().sum()));
        let reasons = Reason::ALL.iter().map(sum).collect::<Result<_>>()?;
        Ok(Figures { reasons })
    }

    /// A backend's figures, summed over the CPUs.
    ///
    /// # Errors
    /// The id is beyond the table, or the system call failed.
    pub fn traffic(&self, id: BackendId) -> Result<Traffic> {
        let mut sum = Traffic::default();
        for Raw(one) in self.traffic.get(&id.0, 0)?.iter() {
            let Traffic { packets, bytes, reply_packets, reply_bytes, connections } = *one;
            sum.packets += packets;
            sum.bytes += bytes;
            sum.reply_packets += reply_packets;
            sum.reply_bytes += reply_bytes;
            sum.connections += connections;
        }
        Ok(sum)
    }

    /// Counts live flows.
    pub fn flows(&self, now: Tick) -> FlowCounts {
        self.flows.count(now)
    }

    /// Entries that `FLOWS` takes.
    pub fn flow_capacity(&self) -> u64 {
        self.flows.capacity()
    }

    /// Clears flows that are long idle, and those of backends that `gone` names.
    pub fn sweep_flows(&self, now: Tick, gone: impl Fn(BackendId) -> bool) {
        self.flows.sweep(now, gone);
    }

    /// Calls `each` for every stored session.
    ///
    /// # Errors
    /// A system call failed.
    pub fn for_each_session(&self, mut each: impl FnMut(&StoredSession)) -> Result<()> {
        for (map, store) in [(self.pins.map(), Store::Pins), (self.affinity.map(), Store::Affinity)] {
            let zero = (SessionKey { scope: 0, client: Ip::default() }, [0u64; 2]);
            batch::for_each(map.fd().as_fd(), zero, |key, words| {
                each(&StoredSession { key: *key, pin: Pin::from_words(*words), store });
            })
            .with_context(|| format!("cannot read {store:?}"))?;
        }
        Ok(())
    }

    /// Removes a session; false if it was not there.
    ///
    /// # Errors
    /// The system call failed.
    pub fn remove_session(&mut self, store: Store, key: &SessionKey) -> Result<bool> {
        let map = match store {
            Store::Pins => &mut self.pins,
            Store::Affinity => &mut self.affinity,
        };
        present(map.remove(&Raw(*key)))
    }

    /// Name, capacity and bytes of every map; the bytes are those of keys and values, times the
    /// number of CPUs where a map is per CPU.
    pub fn tables(&self) -> Vec<(&'static str, u64, u64)> {
        self.specs.iter().map(|spec| (spec.name, u64::from(spec.entries), spec.bytes())).collect()
    }

    pub(super) fn flow_bucket(&self, index: u32) -> Option<&Bucket> {
        self.flows.bucket(index)
    }

    pub(super) fn session_words(&self, store: Store, key: &SessionKey) -> Option<SessionWords> {
        let map = match store {
            Store::Pins => &self.pins,
            Store::Affinity => &self.affinity,
        };
        map.get(&Raw(*key), 0).ok().map(|words| words.0)
    }

    pub(super) fn service_entry(&self, key: &ServiceKey) -> Option<Service> {
        self.services.get(&Raw(*key), 0).ok().map(|service| service.0)
    }

    pub(super) fn slot_entry(&self, index: u32) -> Option<BackendId> {
        self.slots.get(&index, 0).ok().map(|slot| BackendId(slot.0))
    }

    pub(super) fn health_entry(&self, id: BackendId) -> Health {
        self.health.get(&id.0, 0).map_or(Health::Absent, |word| Health::from_word(word.0))
    }
}

/// Turns "no such key" into false.
fn present(result: Result<(), MapError>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(MapError::KeyNotFound) => Ok(false),
        Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::ENOENT) => {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

impl Dataplane for Kernel {
    fn set_backend(&mut self, id: BackendId, backend: &Backend) -> Result<()> {
        self.backends.set(id.0, Raw(*backend), 0).with_context(|| format!("cannot write backend {}", id.0))
    }

    fn set_name(&mut self, id: BackendId, name: &Name) -> Result<()> {
        self.names
            .set(id.0, Raw(*name), 0)
            .with_context(|| format!("cannot write the name of backend {}", id.0))
    }

    fn set_health(&mut self, id: BackendId, health: Health) -> Result<()> {
        self.health
            .set(id.0, Raw(health as u32), 0)
            .with_context(|| format!("cannot write the health of {}", id.0))
    }

    fn reset_figures(&mut self, id: BackendId) -> Result<()> {
        let cpus = nr_cpus().map_err(|(_, error)| error)?;
        let zeros = PerCpuValues::try_from(vec![Raw(Traffic::default()); cpus])?;
        self.traffic
            .set(id.0, zeros, 0)
            .with_context(|| format!("cannot reset the figures of backend {}", id.0))
    }

    fn set_slots(&mut self, base: u32, slots: &[u32]) -> Result<()> {
        for (at, &id) in (base..).zip(slots) {
            self.slots.set(at, Raw(id), 0).with_context(|| format!("cannot write slot {at}"))?;
        }
        Ok(())
    }

    fn set_service(&mut self, key: &ServiceKey, service: &Service) -> Result<()> {
        self.services.insert(Raw(*key), Raw(*service), 0).with_context(|| {
            format!("cannot write a service: is the table full? [limits] services makes it larger ({key:?})")
        })
    }

    fn remove_service(&mut self, key: &ServiceKey) -> Result<()> {
        present(self.services.remove(&Raw(*key))).map(drop).context("cannot remove a service")
    }

    fn set_sources(&mut self, sources: &[Ip]) -> Result<()> {
        for (index, source) in (0..).zip(sources) {
            self.sources.set(index, Raw(*source), 0).context("cannot write a source address")?;
        }
        Ok(())
    }
}
