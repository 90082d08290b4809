//! `limpet explain` says where a client goes, and that is where it goes.

use std::{collections::BTreeMap, net::IpAddr};

use lb_user::lab::{
    Size, Way,
    client::get,
    config::{Config, Service},
    plan,
};
use limpet_tests::{Bed, bed::PATIENCE};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde::Deserialize;

/// For each family.
const CLIENTS: usize = 500;

#[derive(Debug, Deserialize)]
struct Explanation {
    backend: Option<String>,
    reason: String,
    hash_backend: Option<String>,
}

/// One in each family.
fn ways() -> [Way; 2] {
    let [v4, v6, ..] = Way::PLAIN;
    [v4, v6]
}

fn services(backends: u8) -> Vec<Service> {
    ways().map(|way| way.service(backends)).into()
}

fn explain(bed: &Bed, way: Way, client: IpAddr) -> Explanation {
    let client = client.to_string();
    bed.daemon.ask(&["explain", "--json", "--service", way.name(), "--client", &client]).unwrap()
}

/// Asks `explain` for each client, then the wire. Returns where each is.
async fn compare(bed: &Bed, way: Way, clients: &[IpAddr], reason: &str) -> BTreeMap<IpAddr, String> {
    let said: Vec<_> = clients.iter().map(|client| explain(bed, way, *client)).collect();
    let asked: Vec<_> = clients.iter().map(|client| bed.clients.spawn(get(*client, way.target()))).collect();
    let mut homes = BTreeMap::new();
    for ((client, said), asked) in clients.iter().zip(said).zip(asked) {
        let answer = asked.await.unwrap().unwrap_or_else(|error| panic!("{client}: {error:#}"));
        assert_eq!(said.reason, reason, "{client}: {said:?}");
        assert_eq!(said.backend.as_deref(), Some(&*answer), "{client}: {said:?}");
        if reason == "hash" {
            assert_eq!(said.hash_backend, said.backend, "{client}");
        }
        homes.insert(*client, answer);
    }
    homes
}

#[tokio::test]
async fn explain_agrees_with_the_wire() {
    let bed = Bed::new(Size { clients: 1, backends: 4 }, services(3)).await.unwrap();
    let mut rng = StdRng::seed_from_u64(8);
    let mut draw = |way: Way| -> Vec<IpAddr> {
        let numbers: std::collections::BTreeSet<u32> =
            std::iter::repeat_with(|| rng.random_range(0..1 << 20)).take(CLIENTS).collect();
        numbers.into_iter().map(|number| plan::crowd(way.family, number)).collect()
    };
    let clients = ways().map(|way| (way, draw(way)));
    let mut homes = Vec::new();
    for (way, clients) in &clients {
        homes.push(compare(&bed, *way, clients, "hash").await);
    }

    bed.daemon.reload(&Config::new(services(4)).to_string()).unwrap();
    let four =
        |status: &lb_user::lab::Status| status.services.iter().all(|service| service.backends.len() == 4);
    bed.daemon.wait_for(PATIENCE, four).await.unwrap();
    for ((way, clients), homes) in clients.iter().zip(homes) {
        assert_eq!(compare(&bed, *way, clients, "session").await, homes, "{way:?}: nobody moved");
    }
    // New clients follow the new table.
    for way in ways() {
        let strangers: Vec<_> = (0..50).map(|number| plan::crowd(way.family, number << 10 | 0x3ff)).collect();
        let strangers: Vec<_> = strangers
            .into_iter()
            .filter(|client| !clients.iter().any(|(_, known)| known.contains(client)))
            .collect();
        let homes = compare(&bed, way, &strangers, "hash").await;
        assert!(
            homes.values().any(|home| home == "backend-4"),
            "{way:?}: the new backend gets clients: {homes:?}"
        );
    }
}
