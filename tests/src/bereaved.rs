//! Clients of two services with one policy, and a backend that fails them.

use std::{collections::BTreeMap, time::Duration};

use lb_user::lab::{
    Size, Way, backend_name,
    client::get,
    config::{Persistence, QUICK_HTTP, Service},
    plan,
};
use serde_json::Value;
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    Bed,
    bed::{PATIENCE, binary},
};

/// Clients of each service.
pub const CLIENTS: u32 = 40;
/// The services.
pub const WAYS: [Way; 2] = [Way::PLAIN[0], Way::PLAIN[3]];
/// The backend that fails.
pub const VICTIM: u8 = 1;
/// Numbers of clients that nobody has seen yet.
const STRANGERS: std::ops::Range<u32> = 1_000..1_020;
/// Who is not answered within this time is refused: TCP says nothing for a second.
const SILENCE: Duration = Duration::from_millis(500);

/// Backends by client.
pub type Homes = BTreeMap<u32, String>;

/// The two services by one policy, with their backends and clients.
pub struct Scene {
    /// Lab, daemon and servers.
    pub bed: Bed,
    /// Homes of all clients, by way.
    pub homes: Vec<Homes>,
}

impl Scene {
    /// All clients have sessions.
    pub async fn new(persistence: &Persistence) -> Self {
        let service =
            |way: Way| Service { health: QUICK_HTTP, persistence: persistence.clone(), ..way.service(3) };
        let bed = Bed::new(Size { clients: 1, backends: 3 }, WAYS.map(service).into()).await.unwrap();
        let mut scene = Self { bed, homes: Vec::new() };
        for way in WAYS {
            scene.homes.push(scene.all(way, 0..CLIENTS).await);
            assert!(scene.bereaved(scene.homes.len() - 1).len() > 3, "{:?}", scene.homes);
        }
        scene
    }

    /// A new connection of a client.
    pub fn asks(&self, way: Way, number: u32) -> JoinHandle<anyhow::Result<String>> {
        self.bed.clients.spawn(get(plan::crowd(way.family, number), way.target()))
    }

    /// Who answers whom; each of `clients` is answered.
    pub async fn all(&self, way: Way, clients: impl IntoIterator<Item = u32>) -> Homes {
        let asked: Vec<_> = clients.into_iter().map(|number| (number, self.asks(way, number))).collect();
        let mut homes = Homes::new();
        for (number, answer) in asked {
            let answer = timeout(PATIENCE, answer).await.expect("in time").unwrap();
            homes.insert(number, answer.unwrap_or_else(|error| panic!("{way:?}, {number}: {error:#}")));
        }
        homes
    }

    /// None of `clients` is answered.
    pub async fn all_refused(&self, way: Way, clients: &[u32]) {
        let asked: Vec<_> = clients.iter().map(|number| timeout(SILENCE, self.asks(way, *number))).collect();
        for (answer, number) in asked.into_iter().zip(clients) {
            let answer = answer.await;
            assert!(answer.is_err(), "{way:?}: client {number} got {answer:?}");
        }
    }

    /// The clients of the victim.
    #[must_use]
    pub fn bereaved(&self, way: usize) -> Vec<u32> {
        let there = self.homes[way].iter().filter(|(_, home)| **home == backend_name(VICTIM));
        there.map(|(number, _)| *number).collect()
    }

    /// Nobody else is concerned, and strangers are served as well.
    pub async fn others_stay(&self, way: usize) {
        let others = |homes: &Homes| -> Homes {
            let others = homes.iter().filter(|(number, _)| !self.bereaved(way).contains(number));
            others.map(|(number, home)| (*number, home.clone())).collect()
        };
        let before = others(&self.homes[way]);
        assert_eq!(self.all(WAYS[way], before.keys().copied()).await, before);
        let strangers = self.all(WAYS[way], STRANGERS).await;
        assert!(strangers.values().all(|home| *home != backend_name(VICTIM)), "{strangers:?}");
    }

    /// `limpet explain` says so of a client.
    pub fn assert_explained(&self, way: Way, number: u32, words: &str) {
        let client = plan::crowd(way.family, number).to_string();
        let arguments = ["explain", "--json", "--service", way.name(), "--client", &client];
        let explanation: Value = self.bed.daemon.ask(&arguments).unwrap();
        assert!(explanation["text"].to_string().contains(words), "{explanation}");
    }

    /// Its server dies, and that is noticed.
    pub async fn kill_victim(&mut self) {
        self.bed.servers[usize::from(VICTIM)] = None;
        self.victim_is("down").await;
    }

    /// Its server is there again, and that is noticed.
    pub async fn revive_victim(&mut self) {
        let server = self.bed.lab.start_server(&binary(), VICTIM).unwrap();
        self.bed.servers[usize::from(VICTIM)] = Some(server);
        self.victim_is("up").await;
    }

    async fn victim_is(&self, state: &str) {
        let is_so = |status: &lb_user::lab::Status| status.everywhere(&backend_name(VICTIM), state);
        self.bed.daemon.wait_for(PATIENCE, is_so).await.unwrap();
    }

    /// Tells both services.
    pub fn order(&self, action: &str) {
        for way in WAYS {
            let target = format!("{}/{}", way.name(), backend_name(VICTIM));
            let _done: Value = self.bed.daemon.ask(&["backend", action, &target, "--json"]).unwrap();
        }
    }

    /// These promises of the service were broken, and no others.
    pub fn assert_broken(&self, way: usize, causes: &[(&str, usize)]) {
        let status = self.bed.daemon.status().unwrap();
        let expected: BTreeMap<&str, u64> =
            causes.iter().map(|(cause, count)| (*cause, *count as u64)).collect();
        assert_eq!(status.service(WAYS[way].name()).unwrap().promises.causes(), expected);
    }
}
