//! The session rules that always hold (`docs/sessions.md`), on random histories: clients open, use and
//! end connections while backends come, go, fail, drain and change their weights.
//!
//! The packet path is the real one, on the host engine; slot tables are the daemon's. Histories don't
//! last long enough for a timeout.

mod cluster;
mod net;

use std::collections::BTreeMap;

use cluster::{Cluster, Name};
use lb_common::state::{Forwarding, Health, Policy};
use proptest::prelude::*;

/// Something that happens. Numbers are reduced to what there is.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A client sends a SYN from a port.
    Open { client: u8, port: u8 },
    /// An open connection carries data, and its answer.
    Talk(usize),
    /// A client breaks a connection off.
    End(usize),
    /// A backend is added.
    Add { weight: u32 },
    /// A backend is removed.
    Remove(usize),
    /// A backend's weight changes.
    Reweigh { backend: usize, weight: u32 },
    /// A backend's state changes; the slot table follows at once, or with the next change.
    Health { backend: usize, health: Health, refill: bool },
    /// Ticks go by.
    Wait(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let backend = 0..8usize;
    let weight = prop_oneof![Just(1), Just(100), 1..1000u32];
    let health = prop_oneof![
        4 => Just(Health::Up),
        2 => Just(Health::Draining),
        2 => Just(Health::Down),
    ];
    prop_oneof![
        8 => (0..5u8, 0..3u8).prop_map(|(client, port)| Event::Open { client, port }),
        12 => (0..64usize).prop_map(Event::Talk),
        2 => (0..64usize).prop_map(Event::End),
        2 => weight.clone().prop_map(|weight| Event::Add { weight }),
        1 => backend.clone().prop_map(Event::Remove),
        2 => (backend.clone(), weight).prop_map(|(backend, weight)| Event::Reweigh { backend, weight }),
        4 => (backend, health, any::<bool>())
            .prop_map(|(backend, health, refill)| Event::Health { backend, health, refill }),
        3 => (0..3u32).prop_map(Event::Wait),
    ]
}

/// What the rules let one expect.
struct Ledger {
    cluster: Cluster,
    /// Open connections, by (client, port), and the backend that had their last packet.
    connections: BTreeMap<(u8, u8), Name>,
    /// Where each client's session is.
    homes: BTreeMap<u8, Name>,
}

impl Ledger {
    fn new(forwarding: Forwarding, policy: Policy) -> Self {
        let mut cluster = Cluster::new(forwarding, policy);
        for weight in [100, 100, 200] {
            cluster.add(weight);
        }
        Self { cluster, connections: BTreeMap::new(), homes: BTreeMap::new() }
    }

    fn happen(&mut self, event: Event) {
        let backend = |cluster: &Cluster, number: usize| cluster.names().nth(number % 8);
        match event {
            Event::Open { client, port } => self.open(client, port),
            Event::Talk(number) => {
                let nth = self.connections.keys().nth(number % self.connections.len().max(1)).copied();
                if let Some((client, port)) = nth {
                    self.talk(client, port);
                }
            }
            Event::End(number) => {
                let nth = self.connections.keys().nth(number % self.connections.len().max(1)).copied();
                // One that is dropped because nobody is up ends nothing.
                if let Some((client, port)) = nth
                    && self.cluster.send(client, port, net::RST).is_some()
                {
                    self.connections.remove(&(client, port));
                }
            }
            Event::Add { weight } => self.cluster.add(weight),
            Event::Remove(number) => {
                if let Some(name) = backend(&self.cluster, number) {
                    self.cluster.remove(name);
                }
            }
            Event::Reweigh { backend: number, weight } => {
                if let Some(name) = backend(&self.cluster, number) {
                    self.cluster.reweigh(name, weight);
                }
            }
            Event::Health { backend: number, health, refill } => {
                if let Some(name) = backend(&self.cluster, number) {
                    self.cluster.set_health(name, health, refill);
                }
            }
            Event::Wait(ticks) => self.cluster.wait(ticks),
        }
        self.check_homes();
    }

    /// Rule 1 where the port has an open connection, else rule 2.
    fn open(&mut self, client: u8, port: u8) {
        let open = self.connections.get(&(client, port)).copied();
        let home = self.homes.get(&client).copied();
        let promise = open.filter(|&name| self.cluster.serves(name));
        let promise = promise.or(home.filter(|&name| self.cluster.serves(name)));
        let went = self.cluster.send(client, port, net::SYN);
        if let Some(name) = promise {
            assert_eq!(went, Some(name), "a SYN of client {client} left {name:?}");
        } else if let Some(name) = went {
            assert_eq!(
                self.cluster.health(name),
                Some(Health::Up),
                "a client without a promise went to {name:?}"
            );
        }
        if let Some(name) = went {
            self.connections.insert((client, port), name);
        }
    }

    /// Rule 1, and rule 4: what is removed leaves no connection behind.
    fn talk(&mut self, client: u8, port: u8) {
        let was = self.connections[&(client, port)];
        let before = self.cluster.connections_made();
        let went = self.cluster.send(client, port, net::ACK);
        let is_new = self.cluster.connections_made() > before;
        if self.cluster.serves(was) {
            assert_eq!(went, Some(was), "connection {client}:{port} changed its backend");
            assert!(!is_new, "connection {client}:{port} was entered anew");
        } else {
            assert!(went.is_none() || is_new, "connection {client}:{port} of a lost backend was followed");
        }
        if let Some(name) = went {
            self.cluster.answer();
            self.connections.insert((client, port), name);
        }
    }

    /// Rules 3 and 4: a session stays where it is for as long as its backend serves, whatever else
    /// happens; it is never lost, and never at a backend that came after.
    fn check_homes(&mut self) {
        let found = self.cluster.homes();
        for (client, &home) in &self.homes {
            let now = found.get(client).copied();
            assert!(now.is_some(), "the session of client {client} is gone");
            if self.cluster.serves(home) {
                assert_eq!(now, Some(Some(home)), "the session of client {client} moved");
            }
        }
        self.homes = found.into_iter().filter_map(|(client, home)| Some((client, home?))).collect();
    }
}

fn play(forwarding: Forwarding, policy: Policy, events: &[Event]) {
    let mut ledger = Ledger::new(forwarding, policy);
    for &event in events {
        ledger.happen(event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn by_client(events in prop::collection::vec(event(), 1..150), dsr in any::<bool>()) {
        play(if dsr { Forwarding::Dsr } else { Forwarding::Nat }, Policy::BY_CLIENT, &events);
    }

    #[test]
    fn by_client_keeping_addresses(events in prop::collection::vec(event(), 1..150)) {
        play(Forwarding::NatPreserve, Policy::BY_CLIENT, &events);
    }

    #[test]
    fn by_connection(events in prop::collection::vec(event(), 1..150), dsr in any::<bool>()) {
        play(if dsr { Forwarding::Dsr } else { Forwarding::Nat }, Policy::default(), &events);
    }
}

/// The histories are worth something only if what the rules speak of happens in them.
#[test]
fn histories_are_eventful() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut totals = BTreeMap::new();
    for _ in 0..60 {
        let events = prop::collection::vec(event(), 150).new_tree(&mut runner).expect("a tree").current();
        let mut ledger = Ledger::new(Forwarding::Nat, Policy::BY_CLIENT);
        for event in events {
            ledger.happen(event);
        }
        for (reason, count) in ledger.cluster.reasons() {
            *totals.entry(reason.name()).or_insert(0) += count;
        }
    }
    for name in
        ["to_backend", "to_client", "flow_backend_down", "session_proven", "session_moved_down", "no_backend"]
    {
        assert!(totals.get(name).is_some_and(|&count| count > 5), "{name} in {totals:?}");
    }
}
