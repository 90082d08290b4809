//! Services that share their sessions, and clients that share one.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use lb_user::lab::{
    Family, Lab, Size, Way, backend_name,
    client::get,
    config::{Config, Mask, Persistence, Ports, QUICK_HTTP, Service, Sessions},
    plan,
};
use limpet_tests::{
    Bed,
    bed::{PATIENCE, binary},
};
use serde_json::Value;

const CLIENTS: u32 = 60;
const VICTIM: u8 = 1;
/// `nat` at port 443 and `dsr` at port 80 of another address.
const WAYS: [Way; 2] = [Way::PLAIN[0], Way::PLAIN[2]];

fn targets() -> [SocketAddr; 2] {
    [(plan::vip(Family::V4), 443).into(), WAYS[1].target()]
}

async fn asks(bed: &Bed, number: u32, target: SocketAddr) -> String {
    bed.clients.spawn(get(plan::crowd(Family::V4, number), target)).await.unwrap().unwrap()
}

/// Where the clients are, which is the same in both services. Every other one asks the second service first.
async fn homes(bed: &Bed, when: &str) -> Vec<String> {
    let mut homes = Vec::new();
    for number in 0..CLIENTS {
        let mut targets = targets();
        if number % 2 == 1 {
            targets.reverse();
        }
        let home = asks(bed, number, targets[0]).await;
        assert_eq!(asks(bed, number, targets[1]).await, home, "{when}: client {number}");
        homes.push(home);
    }
    homes
}

/// Two services of a group, with three backends.
fn group() -> Vec<Service> {
    let shop = Persistence { group: Some("shop"), ..Persistence::by("client-ip") };
    let [first, second] =
        WAYS.map(|way| Service { health: QUICK_HTTP, persistence: shop.clone(), ..way.service(3) });
    vec![Service { ports: Ports::Port(443), ..first }, second]
}

#[tokio::test]
async fn a_client_has_one_backend_in_all_services_of_a_group() {
    let mut bed = Bed::new(Size { clients: 1, backends: 3 }, group()).await.unwrap();
    let victim = backend_name(VICTIM);
    let before = homes(&bed, "at first").await;
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3, "{before:?}");

    bed.daemon.kill().unwrap();
    bed.daemon.start_again().unwrap();
    assert_eq!(homes(&bed, "after a crash").await, before);

    for action in ["drain", "enable"] {
        for way in WAYS {
            let target = format!("{}/{victim}", way.name());
            let _done: Value = bed.daemon.ask(&["backend", action, &target, "--json"]).unwrap();
        }
        assert_eq!(homes(&bed, action).await, before);
    }

    bed.servers[usize::from(VICTIM)] = None;
    bed.daemon.wait_for(PATIENCE, |status| status.everywhere(&victim, "down")).await.unwrap();
    let after = homes(&bed, "dead").await;
    for (home, was) in after.iter().zip(&before) {
        assert_eq!(home == was, *was != victim, "{was} -> {home}");
    }
    let status = bed.daemon.status().unwrap();
    let moved: u64 = status.services.iter().map(|service| service.promises.broken["down"]).sum();
    let bereaved = before.iter().filter(|home| **home == victim).count();
    assert_eq!(moved, bereaved as u64, "each moves once, in both services");

    bed.servers[usize::from(VICTIM)] = Some(bed.lab.start_server(&binary(), VICTIM).unwrap());
    bed.daemon.wait_for(PATIENCE, |status| status.all("up")).await.unwrap();
    assert_eq!(homes(&bed, "revived").await, after);
}

/// By order of one service's operator, and over a reboot.
#[tokio::test]
async fn sessions_of_a_group_move_and_come_back_as_one() {
    let lab = Lab::new(Size { clients: 1, backends: 3 }).unwrap();
    let servers = (0..3).map(|index| lab.start_server(&binary(), index).map(Some)).collect::<Result<_, _>>();
    let config = Config { sessions: Some(Sessions { snapshot_interval: "1s" }), ..Config::new(group()) };
    let mut bed = Bed::in_lab(lab, servers.unwrap(), &config).await.unwrap();
    let before = homes(&bed, "at first").await;
    let [from, to] = [0, 1].map(backend_name);
    let there = before.iter().filter(|home| **home == from).count();

    let order = ["sessions", "move", "--backend", &from, "--to", &to, "--service", WAYS[1].name(), "--json"];
    let ordered: Value = bed.daemon.ask(&order).unwrap();
    assert_eq!(ordered["total"], there, "one session a client, not one a service");
    let begin = Instant::now();
    while bed.daemon.ask::<Value>(&["sessions", "moves", "--json"]).unwrap()["moves"][0]["state"] != "done" {
        assert!(begin.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let moved = homes(&bed, "moved").await;
    for (home, was) in moved.iter().zip(&before) {
        assert_eq!(home, if *was == from { &to } else { was });
    }

    // Without a secret each start hashes by another key: what keeps the clients is their sessions.
    let written = bed.snapshot().unwrap()["written"].clone();
    bed.snapshot_when(|snapshot| snapshot["written"] != written).await.unwrap();
    bed.reboot(|_| ()).await.unwrap();
    assert_eq!(bed.snapshot().unwrap()["restored"]["sessions"], CLIENTS);
    assert_eq!(homes(&bed, "after a reboot").await, moved);
}

/// Clients of a provider whose customers' addresses change within a /24, and others.
#[tokio::test]
async fn a_mask_makes_one_client_of_many_addresses() {
    let [way, ..] = WAYS;
    let mask = vec![Mask { prefix: "10.16.0.0/16", bits: 24 }];
    let persistence = Persistence { mask, ..Persistence::by("client-ip") };
    let service = Service { persistence, ..way.service(3) };
    let bed = Bed::new(Size { clients: 1, backends: 3 }, vec![service]).await.unwrap();
    let mut used = BTreeSet::new();
    // So many that no backend is left out by chance: of 12 networks that was once in 43 runs.
    for net in 0..40 {
        let home = asks(&bed, net << 8 | 1, way.target()).await;
        for host in [2, 77, 255] {
            assert_eq!(asks(&bed, net << 8 | host, way.target()).await, home, "10.16.{net}.{host}");
        }
        used.insert(home);
    }
    assert_eq!(used.len(), 3, "networks spread: {used:?}");
    // 10.17.0.0/24
    let mut used = BTreeSet::new();
    for host in 1..40 {
        used.insert(asks(&bed, 1 << 16 | host, way.target()).await);
    }
    assert_eq!(used.len(), 3, "the mask is not for these: {used:?}");
}
