//! A backend dies and returns: who moves, how soon, and what becomes of open connections.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use lb_user::lab::{
    Size, Way, backend_name,
    client::{Connection, connect, get},
    config::{QUICK_HTTP, Service},
    plan,
};
use limpet_tests::{Bed, bed::PATIENCE};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};

/// Of [`QUICK_HTTP`]: interval x fall + timeout.
const NOTICED: Duration = Duration::from_millis(500);
/// How late two busy cores may run a probe or a client. The promise is the line above.
const SLACK: Duration = Duration::from_millis(500);

const CLIENTS: u8 = 60;
const VICTIM: u8 = 1;

type Homes = BTreeMap<u8, String>;

struct Scene {
    bed: Bed,
    way: Way,
}

impl Scene {
    async fn new(way: Way) -> Self {
        let service = Service { health: QUICK_HTTP, ..way.service(3) };
        let bed = Bed::new(Size { clients: CLIENTS, backends: 3 }, vec![service]).await.unwrap();
        Self { bed, way }
    }

    fn client(&self, index: u8) -> IpAddr {
        plan::client(self.way.family, index)
    }

    /// Who answers whom.
    async fn homes(&self, clients: impl Iterator<Item = u8>) -> Homes {
        let asked: Vec<_> = clients
            .map(|index| {
                (index, self.bed.clients.spawn(timeout(PATIENCE, get(self.client(index), self.way.target()))))
            })
            .collect();
        let mut homes = Homes::new();
        for (index, answer) in asked {
            homes.insert(index, answer.await.unwrap().expect("in time").expect("an answer"));
        }
        homes
    }

    /// Clients whose home is the victim.
    fn bereaved(homes: &Homes) -> Vec<u8> {
        homes.iter().filter(|(_, home)| **home == backend_name(VICTIM)).map(|(index, _)| *index).collect()
    }

    /// From now on the victim neither answers nor refuses.
    fn silence_victim(&self) {
        self.bed.lab.backends()[usize::from(VICTIM)].ip_batch("link set eth0 down\n").unwrap();
    }
}

async fn only_the_dead_ones_clients_move(way: Way) {
    let mut scene = Scene::new(way).await;
    let before = scene.homes(0..CLIENTS).await;
    let bereaved = Scene::bereaved(&before);
    assert!(!bereaved.is_empty(), "{before:?}");

    let died = Instant::now();
    scene.bed.servers[usize::from(VICTIM)] = None;
    // Refused until the death is noticed.
    let (client, target) = (scene.client(bereaved[0]), scene.way.target());
    while scene
        .bed
        .clients
        .spawn(timeout(NOTICED, get(client, target)))
        .await
        .unwrap()
        .ok()
        .and_then(Result::ok)
        .is_none()
    {
        assert!(died.elapsed() < NOTICED + SLACK, "new connections still go to the dead backend");
        sleep(Duration::from_millis(5)).await;
    }

    let after = scene.homes(0..CLIENTS).await;
    for (index, home) in &after {
        if bereaved.contains(index) {
            assert_ne!(*home, backend_name(VICTIM), "client {index}");
        } else {
            assert_eq!(*home, before[index], "client {index} had no reason to move");
        }
    }

    let returned = scene.bed.lab.start_server(&limpet_tests::binary(), VICTIM).unwrap();
    scene.bed.servers[usize::from(VICTIM)] = Some(returned);
    scene.bed.daemon.wait_for(PATIENCE, |status| status.all("up")).await.unwrap();
    assert_eq!(scene.homes(0..CLIENTS).await, after, "no live session moves when a backend returns");
    // It does serve again: somebody new lands on it.
    let strangers = (0..60).map(|number| {
        scene.bed.clients.spawn(get(plan::crowd(scene.way.family, number), scene.way.target()))
    });
    let mut found = false;
    for answer in strangers.collect::<Vec<_>>() {
        found |= answer.await.unwrap().unwrap() == backend_name(VICTIM);
    }
    assert!(found, "none of 60 new clients reached the backend that returned");
}

#[tokio::test]
async fn only_the_dead_ones_clients_move_nat_v4() {
    only_the_dead_ones_clients_move(Way::PLAIN[0]).await;
}

#[tokio::test]
async fn only_the_dead_ones_clients_move_nat_v6() {
    only_the_dead_ones_clients_move(Way::PLAIN[1]).await;
}

#[tokio::test]
async fn only_the_dead_ones_clients_move_dsr_v4() {
    only_the_dead_ones_clients_move(Way::PLAIN[2]).await;
}

#[tokio::test]
async fn only_the_dead_ones_clients_move_dsr_v6() {
    only_the_dead_ones_clients_move(Way::PLAIN[3]).await;
}

/// A backend that went dark cannot reset its connections, so the balancer has to. Other connections go on.
async fn open_connections_are_reset(way: Way) {
    let scene = Scene::new(way).await;
    let homes = scene.homes(0..CLIENTS).await;
    let bereaved = Scene::bereaved(&homes);
    let (source, target) = (scene.client(bereaved[0]), scene.way.target());
    let mut cut = scene.bed.clients.spawn(connect(source, target)).await.unwrap().unwrap();
    cut.write_all(REQUEST).await.unwrap();
    let mut buffer = [0; 1024];
    assert_ne!(cut.read(&mut buffer).await.unwrap(), 0, "the connection works");

    let other = *homes.iter().find(|(_, home)| **home != backend_name(VICTIM)).unwrap().0;
    let source = scene.client(other);
    let mut kept = scene.bed.clients.spawn(Connection::open(source, target)).await.unwrap().unwrap();

    scene.silence_victim();
    scene
        .bed
        .daemon
        .wait_for(PATIENCE, |status| status.everywhere(&backend_name(VICTIM), "down"))
        .await
        .unwrap();
    cut.write_all(REQUEST).await.unwrap();
    // Far sooner than any timeout of TCP's own.
    let outcome = timeout(Duration::from_secs(2), cut.read(&mut buffer)).await.expect("a reset, not silence");
    assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(kept.get().await.unwrap(), homes[&other], "connections to others go on");
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: limpet\r\n\r\n";

#[tokio::test]
async fn open_connections_are_reset_nat_v4() {
    open_connections_are_reset(Way::PLAIN[0]).await;
}

#[tokio::test]
async fn open_connections_are_reset_nat_v6() {
    open_connections_are_reset(Way::PLAIN[1]).await;
}

#[tokio::test]
async fn open_connections_are_reset_dsr_v4() {
    open_connections_are_reset(Way::PLAIN[2]).await;
}

#[tokio::test]
async fn open_connections_are_reset_dsr_v6() {
    open_connections_are_reset(Way::PLAIN[3]).await;
}
