//! What is installed, and what a plan needs to know besides the model.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use anyhow::{Result, bail};
use lb_common::{
    net::{Ip, Mac},
    state::{AccessKey, Backend, BackendId, Health, MemberKey, ServiceKey, Tunnel},
};

use super::{quic::Quic, recipe};
use crate::{
    access::AccessList,
    dataplane::Kernel,
    health::BackendKey,
    model::{Check, Model, Service},
    neighbour::NextHop,
    runtime::Admin,
    slots::Firsts,
};

/// What is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// By service and name.
    pub backends: BTreeMap<BackendKey, BackendState>,
    /// Every entry of `SERVICES`, those beside the services' own included.
    pub services: BTreeMap<ServiceKey, ServiceState>,
    /// Every access list in the maps, by number.
    pub lists: BTreeMap<u32, Arc<AccessList>>,
    /// Every list of masks in the maps, by number.
    pub masks: BTreeMap<u32, Vec<(AccessKey, u32)>>,
    /// Which backends are one server to a group.
    pub members: BTreeMap<MemberKey, BackendId>,
    /// Source addresses.
    pub sources: Sources,
    /// How connection ids are read, and whose they are.
    pub quic: Quic,
    /// What tunnelled packets are wrapped in, by outer family.
    pub tunnels: [Tunnel; Tunnel::COUNT as usize],
    /// The last generation of every id that was ever used.
    generations: BTreeMap<BackendId, u32>,
    /// Backends whose name another id has: an earlier daemon was replacing them when it ended.
    pub(super) orphans: Vec<BackendId>,
    /// Ids in use.
    used: BTreeSet<u32>,
    /// The id given out last: the search for a free one goes on from there, so that an id rests for
    /// as long as possible before it is used again.
    last_id: u32,
}

/// An installed backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendState {
    /// Its id.
    pub id: BackendId,
    /// How packets reach it.
    pub recipe: Backend,
    /// Its state.
    pub health: Health,
    /// Its weight; `None` if an earlier daemon installed it, as weights are not stored.
    pub weight: Option<u32>,
}

/// An installed service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// Its entry.
    pub entry: lb_common::state::Service,
    /// Its slot table; `None` for an entry beside a service's and all ports but the service's first, or if an earlier daemon
    /// installed it.
    pub table: Option<SlotTable>,
}

/// A slot table, and what it was made of: from the same it need not be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotTable {
    /// Name, weight and id of each backend that took part.
    pub members: Vec<(String, u32, BackendId)>,
    /// The owner of each slot.
    pub slots: Arc<[u32]>,
    /// What makes the next table cheap, where this one was dear.
    pub firsts: Option<Arc<Firsts>>,
}

/// What a plan needs besides the model.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Verdicts of health checks; a backend without one is up.
    pub health: HashMap<BackendKey, Health>,
    /// What operators decided; a backend without an entry is enabled.
    pub admin: HashMap<BackendKey, Admin>,
    /// Tenths of their share of new clients that backends have which start slowly, 1 to 9.
    pub shares: HashMap<BackendKey, u32>,
    /// Next hops: `None` where there is none; an address without an entry is not yet looked up.
    pub next_hops: HashMap<IpAddr, Option<NextHop>>,
    /// Source addresses of rewritten connections.
    pub sources: Sources,
    /// Service addresses that the kernel answers pings of.
    pub answered: BTreeSet<IpAddr>,
    /// What tunnelled packets are wrapped in, by outer family.
    pub tunnels: [Tunnel; Tunnel::COUNT as usize],
    /// Key of slot tables; stays the same for as long as a [`State`] lives.
    pub seed: [u8; 16],
}

impl Inputs {
    /// What of it holds for `model`, where `current` is installed: verdicts about servers that are still
    /// configured and checked, at the address that was probed, and next hops that are still needed.
    pub fn for_model(mut self, current: &State, model: &Model) -> Self {
        let mut judged = HashSet::new();
        let mut addresses = HashSet::new();
        for service in &model.services {
            for backend in &service.backends {
                addresses.insert(backend.address);
                let key = BackendKey::new(&service.name, &backend.name);
                let same = current.backends.get(&key).is_some_and(|known| {
                    (known.recipe.address, known.recipe.port)
                        == (Ip::from(backend.address), recipe::port(service, backend))
                });
                if same && service.health.check != Check::None {
                    judged.insert(key);
                }
            }
        }
        self.health.retain(|key, _| judged.contains(key));
        self.next_hops.retain(|address, _| addresses.contains(address));
        self
    }

    /// A backend's state, by its health check and its operator.
    pub fn health(&self, key: &BackendKey) -> Health {
        self.admin.get(key).copied().unwrap_or_default().over(self.checked(key))
    }

    /// A backend's weight among those of its service, of which the file says `weight`.
    pub fn weight(&self, key: &BackendKey, weight: u32) -> u32 {
        // In tenths for all, so that also a weight of 1 can begin with less.
        weight * self.shares.get(key).copied().unwrap_or(10)
    }

    /// What its health check says.
    pub fn checked(&self, key: &BackendKey) -> Health {
        self.health.get(key).copied().unwrap_or(Health::Up)
    }

    /// Fills in the next hop to `address`. What is not looked up yet stays as it was.
    pub fn resolve(&self, address: IpAddr, recipe: &mut Backend, before: Option<&Backend>) {
        match (self.next_hops.get(&address), before) {
            (Some(Some(hop)), _) => {
                recipe.ifindex = hop.ifindex;
                recipe.source_mac = Mac::from_bytes(hop.source_mac);
                recipe.target_mac = Mac::from_bytes(hop.target_mac);
            }
            (None, Some(before)) => {
                recipe.ifindex = before.ifindex;
                recipe.source_mac = before.source_mac;
                recipe.target_mac = before.target_mac;
            }
            (Some(None), _) | (None, None) => {}
        }
    }
}

impl State {
    /// What an earlier daemon left in the maps.
    ///
    /// # Errors
    /// A system call failed.
    pub fn adopt(kernel: &Kernel, backends: u32) -> Result<Self> {
        let mut state = Self {
            sources: Sources::from_table(&kernel.installed_sources()?),
            tunnels: kernel.installed_tunnels()?,
            ..Self::default()
        };
        for id in (1..=backends).map(BackendId) {
            let generation = kernel.recipe(id)?.generation;
            if generation != 0 {
                state.generations.insert(id, generation);
            }
        }
        for (id, name, recipe, health) in kernel.installed_backends()? {
            let key = BackendKey { service: name.service(), backend: name.backend() };
            state.adopt_backend(key, BackendState { id, recipe, health, weight: None });
        }
        state.lists = kernel.installed_lists()?;
        state.masks = kernel.installed_masks()?;
        state.members = kernel.installed_members()?;
        state.quic = Quic {
            configs: kernel.installed_cid_configs()?.into_iter().collect(),
            servers: kernel.installed_servers()?.into_iter().collect(),
        };
        for (key, entry) in kernel.installed_services()? {
            state.services.insert(key, ServiceState { entry, table: None });
        }
        Ok(state)
    }

    pub(super) fn adopt_backend(&mut self, key: BackendKey, backend: BackendState) {
        self.last_id = self.last_id.max(backend.id.0);
        self.used.insert(backend.id.0);
        self.orphans.extend(self.backends.insert(key, backend).map(|other| other.id));
    }

    /// What is installed under a service's first port.
    fn first(&self, service: &Service) -> Option<&ServiceState> {
        self.services.get(&recipe::service_keys(service).next()?)
    }

    /// A service's entry: that of its first port, from which those of others differ in the port only.
    pub fn entry(&self, service: &Service) -> Option<&lb_common::state::Service> {
        self.first(service).map(|installed| &installed.entry)
    }

    /// A service's slot table, unless an earlier daemon installed it.
    pub fn slots(&self, service: &Service) -> Option<&[u32]> {
        Some(&*self.first(service)?.table.as_ref()?.slots)
    }

    /// A free id.
    pub(super) fn take_id(&mut self, limit: u32) -> Result<BackendId> {
        let mut after = (self.last_id + 1..=limit).chain(1..=self.last_id.min(limit));
        let Some(id) = after.find(|id| !self.used.contains(id)) else {
            bail!(
                "BACKENDS is full at {limit}: raise `backends` in [limits], which needs a restart with \
                 --detach-on-exit"
            );
        };
        self.last_id = id;
        self.used.insert(id);
        Ok(BackendId(id))
    }

    /// Gives an id back, for plans after this one.
    pub(super) fn release_id(&mut self, id: BackendId) {
        self.used.remove(&id.0);
    }

    /// The next generation of an id.
    pub(super) fn next_generation(&mut self, id: BackendId) -> u32 {
        let generation = self.generations.entry(id).or_default();
        // 0 means "never used".
        *generation = generation.wrapping_add(1).max(1);
        *generation
    }

    /// Slot tables in use, as (first, length). Those that a plan frees stay taken until the next plan:
    /// packets that found the old table are still under way in it.
    pub(super) fn tables(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let services = self.services.iter().filter(|(key, _)| key.is_service());
        services.map(|(_, service)| (service.entry.slots_base, service.entry.slots_mask + 1))
    }
}

/// Source addresses of both families. IPv4 takes the first half of the table, IPv6 the second; an
/// address keeps its index for as long as connections may use it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// IPv4, by index.
    pub v4: Vec<Ip>,
    /// IPv6, by index less [`Sources::HALF`].
    pub v6: Vec<Ip>,
}

impl Sources {
    /// Addresses of each family at most.
    pub const HALF: usize = 128;

    /// From a list of addresses of both families.
    ///
    /// # Errors
    /// Too many.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Result<Self> {
        let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv4);
        if v4.len() > Self::HALF || v6.len() > Self::HALF {
            bail!("[nat] source has more than {} addresses of one family", Self::HALF);
        }
        let wide = |list: Vec<IpAddr>| list.into_iter().map(Ip::from).collect();
        Ok(Self { v4: wide(v4), v6: wide(v6) })
    }

    /// From the map.
    pub(super) fn from_table(table: &[Ip]) -> Self {
        let used = |half: &[Ip]| half.iter().copied().take_while(|ip| *ip != Ip::default()).collect();
        let (v4, v6) = table.split_at(table.len().min(Self::HALF));
        Self { v4: used(v4), v6: used(v6) }
    }

    /// For the map.
    pub(super) fn table(&self) -> Vec<Ip> {
        let mut table = self.v4.clone();
        if !self.v6.is_empty() {
            table.resize(Self::HALF, Ip::default());
            table.extend(&self.v6);
        }
        table
    }

    /// What the table must hold to serve `wanted` and the connections of `self`.
    pub(super) fn merged(&self, wanted: &Self) -> Result<Self> {
        let merge = |old: &Vec<Ip>, new: &Vec<Ip>| {
            let common = old.iter().zip(new).all(|(a, b)| a == b);
            match (common, old.len() >= new.len()) {
                (true, true) => Ok(old.clone()),
                (true, false) => Ok(new.clone()),
                (false, _) => bail!(
                    "[nat] source: {old:?} can't become {new:?} while connections use it; \
                     addresses may be added or removed at the end of the list, other changes need a restart \
                     with --detach-on-exit"
                ),
            }
        };
        Ok(Self { v4: merge(&self.v4, &wanted.v4)?, v6: merge(&self.v6, &wanted.v6)? })
    }
}
