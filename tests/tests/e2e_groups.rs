//! Services that share their sessions, and clients that share one.

use std::{collections::BTreeSet, net::SocketAddr};

use lb_user::lab::{
    Family, Size, Way, backend_name,
    client::get,
    config::{Mask, Persistence, Ports, QUICK_HTTP, Service},
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

#[tokio::test]
async fn a_client_has_one_backend_in_all_services_of_a_group() {
    let shop = Persistence { group: Some("shop"), ..Persistence::by("client-ip") };
    let [first, second] =
        WAYS.map(|way| Service { health: QUICK_HTTP, persistence: shop.clone(), ..way.service(3) });
    let services = vec![Service { ports: Ports::Port(443), ..first }, second];
    let mut bed = Bed::new(Size { clients: 1, backends: 3 }, services).await.unwrap();
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

/// Clients of a provider whose customers' addresses change within a /24, and others.
#[tokio::test]
async fn a_mask_makes_one_client_of_many_addresses() {
    let [way, ..] = WAYS;
    let mask = vec![Mask { prefix: "10.16.0.0/16", bits: 24 }];
    let persistence = Persistence { mask, ..Persistence::by("client-ip") };
    let service = Service { persistence, ..way.service(3) };
    let bed = Bed::new(Size { clients: 1, backends: 3 }, vec![service]).await.unwrap();
    let mut used = BTreeSet::new();
    for net in 0..12 {
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
