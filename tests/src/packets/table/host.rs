//! The host engine as a [`World`].

use lb_common::{
    engine::{self, Verdict},
    host::{HostFrame, HostTables},
    net::Ip,
    reason::Reason,
    settings::Settings,
    state::{
        AccessKey, Admission, Audit, Backend, BackendId, CidConfig, Ghost, Health, Load, MemberKey,
        ServerHome, ServerKey, Service, ServiceKey, Traffic, Tunnel, quic,
    },
    time::Tick,
};

use super::{Action, Geometry, HEADROOM, IDS, KEY, Ran, Side, World};

/// The packet path over plain collections.
#[derive(Debug)]
pub struct Host {
    /// The tables.
    pub tables: HostTables,
    /// Indices of the interfaces: outside, inside.
    pub sides: [u32; 2],
    /// Bytes before a frame.
    headroom: usize,
    /// The fate of the last frame.
    pub last: Reason,
}

impl Host {
    /// Empty tables.
    pub fn new(geometry: Geometry) -> Self {
        let Geometry { buckets, pins, ports, fragments, new_flows, new_pins } = geometry;
        let mut host =
            Self { tables: HostTables::default(), sides: [4, 5], headroom: HEADROOM, last: Reason::NotIp };
        host.tables.settings = Settings::new(KEY, buckets, 1, ports, fragments)
            .haunted(Ghost::room(pins))
            .limited(Tick::times(new_flows), Tick::times(new_pins));
        host.tables.session_limit = [pins as usize, usize::MAX];
        host.clear();
        host
    }

    /// Empties all tables.
    pub fn clear(&mut self) {
        let session_limit = self.tables.session_limit;
        self.tables = HostTables::new(self.tables.settings);
        self.tables.session_limit = session_limit;
        self.tables.now.set(Tick(100_000));
        self.tables.backends = vec![Backend::default(); IDS as usize];
        self.tables.health = vec![0; IDS as usize];
        self.tables.loads = std::iter::repeat_with(Load::default).take(IDS as usize).collect();
        self.tables.slots = vec![0; 64];
        self.tables.quic = vec![CidConfig::default(); quic::ENTRIES as usize];
    }

    /// Passes a frame that came in by interface `ingress`: the reason, the verdict, the bytes.
    pub fn process(&self, frame: &[u8], ingress: u32) -> (Reason, Verdict, Vec<u8>) {
        let mut frame = HostFrame::new(frame.to_vec(), ingress);
        frame.headroom = self.headroom;
        let (reason, verdict) = engine::process(&mut frame, &self.tables);
        (reason, verdict, frame.bytes)
    }
}

impl World for Host {
    fn set_backend(&mut self, id: BackendId, backend: &Backend) {
        self.tables.backends[id.0 as usize] = *backend;
    }

    fn set_health(&mut self, id: BackendId, health: Health) {
        let word = &mut self.tables.health[id.0 as usize];
        // Since when it holds is kept.
        if Health::from_word(*word) != health {
            *word = health.word(self.tables.now.get());
        }
    }

    fn set_slots(&mut self, base: u32, slots: &[u32]) {
        self.tables.slots[base as usize..][..slots.len()].copy_from_slice(slots);
    }

    fn set_service(&mut self, key: &ServiceKey, service: &Service) {
        self.tables.services.insert(*key, *service);
    }

    fn remove_service(&mut self, key: &ServiceKey) {
        self.tables.services.remove(key);
    }

    fn add_list(&mut self, _number: u32, rules: &[(AccessKey, Admission)]) {
        self.tables.access.extend(rules.iter().copied());
    }

    fn set_masks(&mut self, masks: &[(AccessKey, u32)]) {
        self.tables.masks.extend(masks.iter().copied());
    }

    fn set_load(&mut self, id: BackendId, sessions: u64, limit: u32, weight: u32) {
        let load = &self.tables.loads[id.0 as usize];
        load.set_sessions(sessions);
        load.set_share(limit, weight);
    }

    fn set_member(&mut self, key: &MemberKey, id: BackendId) {
        self.tables.members.insert(*key, id);
    }

    fn evict(&mut self) {
        self.tables.sessions[1].borrow_mut().clear();
    }

    fn set_cid_config(&mut self, index: u32, config: &CidConfig) {
        self.tables.quic[index as usize] = *config;
    }

    fn set_server(&mut self, key: &ServerKey, home: ServerHome) {
        self.tables.servers.insert(*key, home);
    }

    fn set_sources(&mut self, sources: &[Ip]) {
        self.tables.sources = sources.to_vec();
    }

    fn set_tunnels(&mut self, tunnels: &[Tunnel; 2]) {
        self.tables.tunnels = *tunnels;
    }

    fn set_headroom(&mut self, bytes: usize) {
        self.headroom = bytes;
    }

    fn ifindex(&self, side: Side) -> u32 {
        match side {
            Side::Outside => self.sides[0],
            Side::Inside => self.sides[1],
        }
    }

    fn generation(&self) -> u32 {
        1
    }

    fn wait(&mut self, ticks: u32) {
        self.tables.now.set(Tick(self.tables.now.get().0 + ticks));
    }

    fn run(&mut self, frame: &[u8], side: Side) -> Ran {
        let ingress = self.ifindex(side);
        let (reason, verdict, bytes) = self.process(frame, ingress);
        self.last = reason;
        let action = match verdict {
            Verdict::Pass => Action::Pass,
            Verdict::Drop => Action::Drop,
            Verdict::Send { ifindex } if ifindex == ingress => Action::Tx,
            Verdict::Send { ifindex } => {
                let to = [Side::Outside, Side::Inside].into_iter().find(|&to| self.ifindex(to) == ifindex);
                Action::Redirect(Some(to.expect("an interface of the table")))
            }
        };
        Ran { action, bytes }
    }

    fn reasons(&self) -> Vec<(Reason, u64)> {
        let counters = self.tables.counters.borrow();
        Reason::ALL.iter().map(|&reason| (reason, counters.get(&reason).copied().unwrap_or(0))).collect()
    }

    fn audit(&self, service: u32) -> Audit {
        self.tables.audit.borrow().get(&service).copied().unwrap_or_default()
    }

    fn traffic(&self, id: BackendId) -> Traffic {
        self.tables.traffic.borrow().get(&id).copied().unwrap_or_default()
    }
}
