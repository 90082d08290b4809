//! What the daemon reads from the maps, and what it clears away.

use std::{collections::BTreeMap, os::fd::AsFd as _, sync::Arc};

use anyhow::{Context as _, Result};
use aya::maps::{IterableMap as _, MapData, RingBuf, lpm_trie::Key};
use lb_common::{
    net::Ip,
    reason::Reason,
    shared::Word,
    state::{
        AccessKey, Audit, Backend, BackendId, Bucket, CidConfig, Health, Load, MemberKey, Pin, Plain,
        ServerHome, ServerKey, Service, ServiceKey, SessionKey, Traffic, Tunnel,
    },
    tables::Store,
    time::Tick,
};

use super::{Kernel, Name, batch, ports, raw::Raw, scan::FlowCounts};
use crate::access::{AccessList, Admission, Prefix, Rule};

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

/// A value from the bytes of a ring buffer's entry; `None` if they are too few.
pub fn plain<T: Plain>(bytes: &[u8]) -> Option<T> {
    // SAFETY: there are enough bytes, any of them are a value of a `Plain` type, and unaligned is fine.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// Counters of all CPUs together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Figures {
    /// By reason.
    pub reasons: Vec<(Reason, u64)>,
}

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

    /// Every access list, by number. One that an earlier daemon did not get to the end of writing, or of
    /// removing, is here with what there is of it.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_lists(&self) -> Result<BTreeMap<u32, Arc<AccessList>>> {
        let mut rules: BTreeMap<u32, Vec<Rule>> = BTreeMap::new();
        let zero = (AccessKey::new(0, Ip::default(), 0), 0u32);
        batch::for_each(self.access.map().fd().as_fd(), zero, |key, word| {
            let rule = Rule { prefix: Prefix::from_key(key), admission: Admission::from_word(*word) };
            rules.entry(key.list()).or_default().push(rule);
        })
        .context("cannot read ACCESS")?;
        Ok(rules.into_iter().map(|(number, rules)| (number, AccessList::new(rules).into())).collect())
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

    /// How connection ids are read, where they are: index and entry.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_cid_configs(&self) -> Result<Vec<(u32, CidConfig)>> {
        let mut found = Vec::new();
        for index in 0..self.quic.len() {
            let config = self.quic.get(&index, 0)?.0;
            if config != CidConfig::default() {
                found.push((index, config));
            }
        }
        Ok(found)
    }

    /// Every server id and whose it is.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_servers(&self) -> Result<Vec<(ServerKey, ServerHome)>> {
        self.servers
            .iter()
            .map(|entry| entry.map(|(key, home)| (key.0, home.0)).map_err(Into::into))
            .collect()
    }

    /// What tunnelled packets are wrapped in, by outer family.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_tunnels(&self) -> Result<[Tunnel; Tunnel::COUNT as usize]> {
        Ok([self.tunnels.get(&0, 0)?.0, self.tunnels.get(&1, 0)?.0])
    }

    /// One counter, summed over the CPUs.
    ///
    /// # Errors
    /// The system call failed.
    pub fn count(&self, reason: Reason) -> Result<u64> {
        Ok(self.counters.get(&(reason as u32), 0)?.iter().sum())
    }

    /// All counters, summed over the CPUs.
    ///
    /// # Errors
    /// A system call failed.
    pub fn figures(&self) -> Result<Figures> {
        let sum = |&reason: &Reason| Ok((reason, self.count(reason)?));
        let reasons = Reason::ALL.iter().map(sum).collect::<Result<_>>()?;
        Ok(Figures { reasons })
    }

    /// What became of the promises of the service of this number, summed over the CPUs.
    ///
    /// # Errors
    /// The number is beyond the table, or the system call failed.
    pub fn audit(&self, service: u32) -> Result<Audit> {
        let mut sum = Audit::default();
        for Raw(one) in self.audit.get(&service, 0)?.iter() {
            sum.kept += one.kept;
            for (sum, one) in sum.broken.iter_mut().zip(one.broken) {
                *sum += one;
            }
        }
        Ok(sum)
    }

    /// A backend's load.
    pub fn load(&self, id: BackendId) -> Option<&Load> {
        self.loads.get(id.0 as usize)
    }

    /// The places where clients are recognised whose sessions were lost.
    pub fn ghosts(&self) -> &[Word] {
        &self.ghosts
    }

    /// Reports of broken promises as they happen; `None` if somebody has them already.
    pub fn take_events(&mut self) -> Option<RingBuf<MapData>> {
        self.events.take()
    }

    /// Who is a member of which group.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_members(&self) -> Result<BTreeMap<MemberKey, BackendId>> {
        self.members.iter().map(|entry| entry.map(|(key, id)| (key.0, id.0)).map_err(Into::into)).collect()
    }

    /// Every list of masks, by number.
    ///
    /// # Errors
    /// A system call failed.
    pub fn installed_masks(&self) -> Result<BTreeMap<u32, Vec<(AccessKey, u32)>>> {
        let mut lists: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        let zero = (AccessKey::new(0, Ip::default(), 0), 0u32);
        batch::for_each(self.masks.map().fd().as_fd(), zero, |key, bits| {
            lists.entry(key.list()).or_default().push((*key, *bits));
        })
        .context("cannot read MASKS")?;
        lists.values_mut().for_each(|list| list.sort_unstable());
        Ok(lists)
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

    /// Calls `each` for every live flow from a client, with its backend and the ticks since its last packet.
    pub fn for_each_live_flow(&self, now: Tick, each: impl FnMut(BackendId, u32)) {
        self.flows.for_each_live(now, each);
    }

    /// Entries that `FLOWS` takes.
    pub fn flow_capacity(&self) -> u64 {
        self.flows.capacity()
    }

    /// Clears flows that are long idle, and those of backends that `gone` names.
    pub fn sweep_flows(&self, now: Tick, gone: impl Fn(BackendId) -> bool) {
        self.flows.sweep(now, gone);
    }

    /// Source ports that can't be given to another connection now.
    pub fn ports_used(&self, now: Tick) -> u64 {
        ports::used(&self.ports, now)
    }

    /// Gives back the source ports of connections whose backend, of that generation, does not serve
    /// any more.
    pub fn sweep_ports(&self, now: Tick, serves: impl Fn(BackendId, u32) -> bool) {
        ports::sweep(&self.ports, &self.bindings, now, serves);
    }

    /// Name, capacity and bytes of every map; the bytes are those of keys and values, times the
    /// number of CPUs where a map is per CPU.
    pub fn tables(&self) -> Vec<(&'static str, u64, u64)> {
        self.specs.iter().map(|spec| (spec.name, u64::from(spec.entries), spec.bytes())).collect()
    }

    pub(super) fn flow_bucket(&self, index: u32) -> Option<&Bucket> {
        self.flows.bucket(index)
    }

    pub(super) fn service_entry(&self, key: &ServiceKey) -> Option<Service> {
        self.services.get(&Raw(*key), 0).ok().map(|service| service.0)
    }

    pub(super) fn admission(&self, list: u32, client: Ip) -> Admission {
        let key = AccessKey::new(list, client, AccessKey::ADDRESS);
        self.access.get(&Key::new(key.bits(), key.data()), 0).map_or(Admission::Deny, Admission::from_word)
    }

    pub(super) fn slot_entry(&self, index: u32) -> Option<BackendId> {
        self.slots.get(index as usize).map(|slot| BackendId(slot.load() as u32))
    }

    pub(super) fn cid_config(&self, index: u32) -> Option<CidConfig> {
        self.quic.get(&index, 0).ok().map(|config| config.0)
    }

    pub(super) fn server_home(&self, key: &ServerKey) -> Option<ServerHome> {
        self.servers.get(&Raw(*key), 0).ok().map(|home| home.0)
    }

    pub(super) fn health_word(&self, id: BackendId) -> u32 {
        self.health.get(&id.0, 0).map_or(0, |word| word.0)
    }

    pub(super) fn health_entry(&self, id: BackendId) -> Health {
        Health::from_word(self.health_word(id))
    }

    pub(super) fn member(&self, key: &MemberKey) -> Option<BackendId> {
        self.members.get(&Raw(*key), 0).ok().map(|id| id.0)
    }

    pub(super) fn own_mask(&self, list: u32, client: Ip) -> Option<u32> {
        let key = AccessKey::new(list, client, AccessKey::ADDRESS);
        self.masks.get(&Key::new(key.bits(), key.data()), 0).ok()
    }
}
