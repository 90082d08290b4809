//! One service with backends that come and go, on the host engine.

use std::collections::BTreeMap;

use lb_common::{
    engine::{self, Verdict},
    host::{HostFrame, HostTables},
    net::{Be16, Ip, Mac, protocol},
    reason::Reason,
    settings::Settings,
    state::{Backend, BackendId, Forwarding, Health, Policy, Service, ServiceKey},
    time::Tick,
};
use lb_user::{
    dataplane::Dataplane as _,
    slots::{self, Member},
};

use crate::net;

/// A backend's name: never used again. Indices are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(u16);

impl Name {
    /// The Ethernet address by which a frame is seen to go there.
    fn mac(self) -> [u8; 6] {
        let [high, low] = self.0.to_be_bytes();
        [2, 0, 0, 1, high, low]
    }
}

/// Backends at once: few, so that indices are used again soon.
const IDS: u32 = 8;
/// Slots of the table; there are two, so that one is filled while the other is in use.
const SLOTS: u32 = 64;

struct State {
    id: BackendId,
    weight: u32,
    health: Health,
}

/// The service, its backends and the tables.
pub struct Cluster {
    tables: HostTables,
    members: BTreeMap<Name, State>,
    /// Who has had each (index, generation).
    owners: BTreeMap<(BackendId, u32), Name>,
    forwarding: Forwarding,
    service: Service,
    next_name: u16,
    generation: u32,
    last_sent: Vec<u8>,
}

impl Cluster {
    /// Without backends.
    pub fn new(forwarding: Forwarding, policy: Policy) -> Self {
        let key = std::array::from_fn(|at| 0x9e37_79b9_u32.wrapping_mul(at as u32 * 2 + 1));
        let mut tables = HostTables::new(Settings::new(key, 4096, 4, (1024, 9215), 1024));
        tables.now.set(Tick(1_000_000));
        tables.backends = vec![Backend::default(); IDS as usize + 1];
        tables.health = vec![0; IDS as usize + 1];
        tables.slots = vec![0; 2 * SLOTS as usize];
        tables.sources = vec![Ip::from(std::net::IpAddr::from([10, 0, 0, 2]))];
        let service = Service {
            scope: 7,
            client_mask: Ip::prefix_mask([0, 0, 0, 0].into(), 32),
            slots_base: 0,
            slots_mask: SLOTS - 1,
            idle_ticks: 1_700,
            lifetime_ticks: 0,
            policy,
            number: 1,
            port: Be16::new(80),
            tag: 7,
            ..Service::default()
        };
        let mut cluster = Self {
            tables,
            members: BTreeMap::new(),
            owners: BTreeMap::new(),
            forwarding,
            service,
            next_name: 0,
            generation: 0,
            last_sent: Vec::new(),
        };
        cluster.refill();
        cluster
    }

    /// Adds a backend under a new name, if there is room.
    pub fn add(&mut self, weight: u32) {
        let used: Vec<_> = self.members.values().map(|member| member.id).collect();
        let Some(id) = (1..=IDS).map(BackendId).find(|id| !used.contains(id)) else { return };
        let name = Name(self.next_name);
        self.next_name += 1;
        self.generation += 1;
        let [.., high, low] = name.mac();
        let recipe = Backend {
            address: Ip::from(std::net::IpAddr::from([10, 1, high, low])),
            service_address: Ip::from(std::net::IpAddr::from(net::SERVICE)),
            target_mac: Mac::from_bytes(name.mac()),
            source_mac: Mac::from_bytes(net::OURS),
            generation: self.generation,
            ifindex: 1,
            port: Be16::new(80),
            service_tag: 7,
            forwarding: self.forwarding as u8,
            source_first: 0,
            source_count: u8::from(self.forwarding == Forwarding::Nat),
            protocol: protocol::TCP,
        };
        self.tables.set_backend(id, &recipe).expect("in the table");
        self.tables.set_health(id, Health::Up).expect("in the table");
        self.owners.insert((id, self.generation), name);
        self.members.insert(name, State { id, weight, health: Health::Up });
        self.refill();
    }

    /// Removes a backend: first from the slots, then its state. Its recipe stays until its index is
    /// given to another.
    pub fn remove(&mut self, name: Name) {
        if let Some(member) = self.members.remove(&name) {
            self.refill();
            self.tables.set_health(member.id, Health::Absent).expect("in the table");
        }
    }

    /// Changes a weight.
    pub fn reweigh(&mut self, name: Name, weight: u32) {
        self.member(name).weight = weight;
        self.refill();
    }

    /// Changes a state.
    pub fn set_health(&mut self, name: Name, health: Health, refill: bool) {
        let member = self.member(name);
        member.health = health;
        let id = member.id;
        self.tables.set_health(id, health).expect("in the table");
        if refill {
            self.refill();
        }
    }

    fn member(&mut self, name: Name) -> &mut State {
        self.members.get_mut(&name).expect("a name that is there")
    }

    /// Lets ticks go by.
    pub fn wait(&self, ticks: u32) {
        self.tables.now.set(Tick(self.tables.now.get().0 + ticks));
    }

    /// Everybody's name, in order.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.members.keys().copied()
    }

    /// A backend's state; `None` if it was removed.
    pub fn health(&self, name: Name) -> Option<Health> {
        self.members.get(&name).map(|member| member.health)
    }

    /// Do connections and sessions of this backend go on?
    pub fn serves(&self, name: Name) -> bool {
        self.health(name).is_some_and(Health::serves)
    }

    /// Sends a segment, and says which backend it went to.
    pub fn send(&mut self, client: u8, port: u8, flags: u8) -> Option<Name> {
        let (verdict, out) = self.run(net::segment(client, port, flags));
        let Verdict::Send { .. } = verdict else { return None };
        let name = self.members.keys().copied().find(|name| out[..6] == name.mac());
        assert!(name.is_some(), "sent to nobody who is there: {out:02x?}");
        self.last_sent = out;
        name
    }

    /// The answer to the last segment reaches its client; in `dsr` it takes another way.
    pub fn answer(&mut self) {
        if self.forwarding != Forwarding::Dsr {
            let (verdict, out) = self.run(net::answer(&self.last_sent));
            assert_eq!(verdict, Verdict::Send { ifindex: 1 }, "an answer was lost");
            assert_eq!(out[26..30], net::SERVICE, "an answer does not come from the service");
        }
    }

    fn run(&mut self, bytes: Vec<u8>) -> (Verdict, Vec<u8>) {
        let mut frame = HostFrame::new(bytes, 1);
        let (_, verdict) = engine::process(&mut frame, &self.tables);
        (verdict, frame.bytes)
    }

    /// Connections made so far.
    pub fn connections_made(&self) -> u64 {
        self.tables.counters.borrow().get(&Reason::FlowNew).copied().unwrap_or(0)
    }

    /// All counters.
    pub fn reasons(&self) -> BTreeMap<Reason, u64> {
        self.tables.counters.borrow().clone()
    }

    /// The backend of each client's session; `None` where it was removed.
    pub fn homes(&self) -> BTreeMap<u8, Option<Name>> {
        let mut homes = BTreeMap::new();
        // Proven ones count where there are both.
        for sessions in self.tables.sessions.iter().rev() {
            for (key, session) in sessions.borrow().iter() {
                let pin = session.load();
                let client = (0..=u8::MAX - 1)
                    .find(|&client| Ip::from(std::net::IpAddr::from(net::client(client))) == key.client);
                let owner = self.owners[&(pin.backend, pin.generation)];
                let home = self.members.contains_key(&owner).then_some(owner);
                homes.insert(client.expect("a client's session"), home);
            }
        }
        homes
    }

    /// As the daemon does: the backends that are up share the slots, in a range that is not in use.
    fn refill(&mut self) {
        let names: Vec<_> = self.members.keys().map(|name| format!("web-{}", name.0)).collect();
        let members: Vec<_> = names
            .iter()
            .zip(self.members.values())
            .filter(|(_, member)| member.health == Health::Up)
            .map(|(name, member)| Member { name, weight: member.weight, id: member.id.0 })
            .collect();
        let base = SLOTS - self.service.slots_base;
        self.tables.set_slots(base, &slots::fill(&members, SLOTS, [7; 16])).expect("in the table");
        self.service.slots_base = base;
        let service = Ip::from(std::net::IpAddr::from(net::SERVICE));
        let key = ServiceKey::new(service, Be16::new(80), protocol::TCP);
        self.tables.set_service(&key, &self.service).expect("there is room");
        self.tables.set_service(&ServiceKey::any_port(service), &Service::default()).expect("there is room");
    }
}
