//! A service as the workers know it: what a plan put into force, in one piece that is replaced whole.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
};

use lb_common::state::{Backend, BackendId, Health, Load, MemberKey, Service};
use tokio::sync::watch;

use crate::{
    health::BackendKey,
    http::{cookie::set_cookie::SetCookie, figures::Figures},
    model::{
        self, PersistBy, Persistence,
        http::{Http, Method, Request},
    },
    plan::{self, State},
    secrets::Keys,
};

/// The key of digests.
pub(in crate::http) type DigestKey = [u64; 2];

/// A service of HTTP.
#[derive(Debug)]
pub(in crate::http) struct Served {
    pub(in crate::http) name: String,
    /// Its entry in the maps; its slots are counted from 0.
    pub(in crate::http) entry: Service,
    pub(in crate::http) slots: Arc<[u32]>,
    pub(in crate::http) persistence: Persistence,
    pub(in crate::http) request: Request,
    pub(in crate::http) http: Arc<Http>,
    pub(in crate::http) keys: Keys,
    /// Of what stands for values that clients are known by.
    pub(super) digest_key: DigestKey,
    /// How Limpet's own cookie is set, where there is one.
    pub(in crate::http) set_cookie: Option<SetCookie>,
    pub(in crate::http) figures: Arc<Figures>,
    pub(in crate::http) upstreams: HashMap<BackendId, Arc<Upstream>>,
    /// By [`Upstream::digest`].
    by_digest: HashMap<u64, BackendId>,
    /// Of its backends and their homes.
    recipes: HashMap<BackendId, Backend>,
    members: HashMap<MemberKey, BackendId>,
    /// Digests of the names of its group's servers.
    group: HashSet<u64>,
    max_load: Option<u32>,
}

/// A backend, for as long as it is the same server.
#[derive(Debug)]
pub(in crate::http) struct Upstream {
    pub(in crate::http) id: BackendId,
    pub(in crate::http) name: String,
    pub(in crate::http) address: IpAddr,
    /// `None`: the port that the client called.
    pub(in crate::http) port: Option<u16>,
    /// What a cookie knows it by.
    pub(in crate::http) digest: u64,
    /// Of its address and port: another server of the same name has another.
    pub(in crate::http) server: u32,
    /// 0 while it gets nobody new.
    weight: AtomicU32,
    /// Requests and upgraded connections that are open.
    pub(in crate::http) open: AtomicU32,
    /// Requests so far.
    pub(in crate::http) requests: AtomicU64,
    /// Bytes of bodies to it.
    pub(in crate::http) bytes: AtomicU64,
    /// Bytes of bodies from it.
    pub(in crate::http) reply_bytes: AtomicU64,
    cut: watch::Sender<bool>,
}

impl Served {
    /// `service` as `state` has it installed; what `before` counted of the same servers goes on. `None` while it is not
    /// installed.
    pub(in crate::http) fn of(
        service: &model::Service,
        state: &State,
        (keys, digest_key): (Keys, DigestKey),
        before: Option<&Self>,
    ) -> Option<Self> {
        let (http, PersistBy::Request(request)) = (service.http.as_ref()?, &service.persistence.by) else {
            return None;
        };
        let mut recipes = HashMap::new();
        let mut upstreams = HashMap::new();
        let mut members = HashMap::new();
        for backend in &service.backends {
            let installed = state.backends.get(&BackendKey::new(&service.name, &backend.name))?;
            let home = state.backends.get(&plan::home_key(service, &backend.name))?;
            recipes.insert(installed.id, installed.recipe);
            recipes.insert(home.id, home.recipe);
            for key in [
                MemberKey::of_home(home.id, state.entry(service)?.number),
                MemberKey::of_backend(installed.id),
            ] {
                members.extend(state.members.get(&key).map(|&id| (key, id)));
            }
            let known = before.and_then(|before| before.same(installed.id, installed.recipe.generation));
            let upstream = known.unwrap_or_else(|| {
                Arc::new(Upstream::new(installed.id, backend, service.persistence.group.is_some()))
            });
            let is_up = installed.health == Health::Up;
            upstream.weight.store(if is_up { backend.weight } else { 0 }, Relaxed);
            upstream.cut(matches!(installed.health, Health::Disabled | Health::Absent));
            upstreams.insert(installed.id, upstream);
        }
        Some(Self {
            name: service.name.clone(),
            entry: Service { slots_base: 0, ..*state.entry(service)? },
            slots: state.slots(service)?.into(),
            persistence: service.persistence.clone(),
            request: request.clone(),
            http: Arc::clone(http),
            keys,
            digest_key,
            set_cookie: request.methods.iter().find_map(set_cookie),
            figures: before.map_or_else(Arc::default, |before| Arc::clone(&before.figures)),
            by_digest: upstreams.values().map(|upstream| (upstream.digest, upstream.id)).collect(),
            upstreams,
            recipes,
            members,
            group: group(service, state),
            max_load: service.max_load,
        })
    }

    fn same(&self, id: BackendId, generation: u32) -> Option<Arc<Upstream>> {
        let is_same = self.recipes.get(&id).is_some_and(|recipe| recipe.generation == generation);
        self.upstreams.get(&id).filter(|_| is_same).cloned()
    }

    /// Is this one of its backends, and the same server?
    pub(in crate::http) fn has(&self, upstream: &Arc<Upstream>) -> bool {
        self.upstreams.get(&upstream.id).is_some_and(|own| Arc::ptr_eq(own, upstream))
    }

    /// Ends what goes on at backends that do not `stay`.
    pub(in crate::http) fn leave(&self, stay: impl Fn(&Arc<Upstream>) -> bool) {
        self.upstreams.values().filter(|upstream| !stay(upstream)).for_each(|upstream| upstream.cut(true));
    }

    /// The backend that a cookie means, if it is still the same server.
    pub(in crate::http) fn named(&self, digest: u64, server: u32) -> Option<&Arc<Upstream>> {
        self.upstreams.get(self.by_digest.get(&digest)?).filter(|upstream| upstream.server == server)
    }

    /// Is there a server of this name in its group?
    pub(super) fn group_has(&self, digest: u64) -> bool {
        self.group.contains(&digest)
    }

    pub(super) fn recipe(&self, id: BackendId) -> Option<Backend> {
        self.recipes.get(&id).copied()
    }

    pub(super) fn member(&self, key: &MemberKey) -> Option<BackendId> {
        self.members.get(key).copied()
    }

    /// What a backend bears: open requests in place of sessions, as those last longer than they burden anybody.
    pub(super) fn load(&self, id: BackendId) -> Option<Load> {
        let upstream = self.upstreams.get(&id)?;
        let weight = upstream.weight.load(Relaxed);
        let load = Load::default();
        load.set_sessions(upstream.open.load(Relaxed).into());
        load.set_share(self.max_load.map_or(0, |percent| self.limit(percent, weight)), weight);
        Some(load)
    }

    /// So many open requests are `percent` of the share of a backend of this weight among those that are up, counting the one
    /// that is to come.
    fn limit(&self, percent: u32, weight: u32) -> u32 {
        let up = || self.upstreams.values().filter(|it| it.weight.load(Relaxed) > 0);
        let sum = |of: fn(&Upstream) -> u32| up().map(|it| u64::from(of(it))).sum::<u64>();
        let open = sum(|it| it.open.load(Relaxed)) + 1;
        let weights = sum(|it| it.weight.load(Relaxed)).max(1);
        let limit = (open * u64::from(weight) * u64::from(percent)).div_ceil(weights * 100);
        u32::try_from(limit).unwrap_or(u32::MAX)
    }
}

/// Digests of the names of a group's servers.
fn group(service: &model::Service, state: &State) -> HashSet<u64> {
    if service.persistence.group.is_none() {
        return HashSet::new();
    }
    let home = plan::home_key(service, "").service;
    state.backends.keys().filter(|key| key.service == home).map(|key| plan::scope(&key.backend)).collect()
}

fn set_cookie(method: &Method) -> Option<SetCookie> {
    let Method::Insert(cookie) = method else { return None };
    Some(SetCookie::new(cookie))
}

impl Upstream {
    fn new(id: BackendId, backend: &model::Backend, is_grouped: bool) -> Self {
        Self {
            id,
            name: backend.name.clone(),
            address: backend.address,
            port: backend.port,
            digest: plan::scope(&backend.name),
            // Services of a group have ports of their own, and know each other's backends by their names.
            server: if is_grouped {
                0
            } else {
                plan::scope(&format!("{}/{:?}", backend.address, backend.port)) as u32
            },
            weight: AtomicU32::new(backend.weight),
            open: AtomicU32::default(),
            requests: AtomicU64::default(),
            bytes: AtomicU64::default(),
            reply_bytes: AtomicU64::default(),
            cut: watch::Sender::new(false),
        }
    }

    /// Ends what outlasts requests, or lets it begin again.
    pub(in crate::http) fn cut(&self, is_cut: bool) {
        self.cut.send_replace(is_cut);
    }

    /// Resolves once it is out of service.
    pub(in crate::http) async fn is_cut(&self) {
        let mut cut = self.cut.subscribe();
        // The sender lives as long as `self`.
        let _ = cut.wait_for(|is_cut| *is_cut).await;
    }
}
