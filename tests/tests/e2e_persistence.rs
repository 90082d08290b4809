//! Every client stays on one backend, and the shares follow the weights.

use std::{collections::BTreeMap, net::SocketAddr};

use lb_user::lab::{
    Family, Size, Way, backend_name,
    client::get,
    config::{Persistence, Service},
    plan,
};
use limpet_tests::{
    Bed,
    udp::{self, UdpServer},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

const CLIENTS: u32 = 200;
const CONNECTIONS: usize = 20;

#[tokio::test]
async fn clients_stay_on_their_backend() {
    let services = Way::PLAIN.map(|way| way.service(3));
    let bed = Bed::new(Size { clients: 1, backends: 3 }, services.into()).await.unwrap();

    for way in Way::PLAIN {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (source, target) = (plan::crowd(way.family, number), way.target());
                bed.clients.spawn(async move {
                    let mut answers = Vec::new();
                    for _ in 0..CONNECTIONS {
                        answers.push(get(source, target).await.unwrap());
                    }
                    answers
                })
            })
            .collect();
        let mut used = BTreeMap::new();
        for (number, client) in clients.into_iter().enumerate() {
            let answers = client.await.unwrap();
            assert!(
                answers.iter().all(|answer| *answer == answers[0]),
                "{way:?}, client {number}: {answers:?}"
            );
            *used.entry(answers[0].clone()).or_insert(0) += 1;
        }
        assert_eq!(used.len(), 3, "{way:?}: all backends have clients: {used:?}");
    }
}

/// `by = "connection"` promises nothing to a client, so its connections spread.
#[tokio::test]
async fn without_persistence_connections_spread() {
    let [way, ..] = Way::PLAIN;
    let service = Service { persistence: Persistence::by("connection"), ..way.service(3) };
    let bed = Bed::new(Size { clients: 1, backends: 3 }, vec![service]).await.unwrap();
    let mut used = BTreeMap::new();
    for _ in 0..60 {
        let answer =
            bed.clients.spawn(get(plan::client(way.family, 0), way.target())).await.unwrap().unwrap();
        *used.entry(answer).or_insert(0) += 1;
    }
    assert_eq!(used.len(), 3, "60 connections: {used:?}");
}

/// Weights 1, 2 and 3; each client sends one datagram to a server that answers its name.
#[tokio::test]
async fn shares_follow_the_weights() {
    const WEIGHTS: [u32; 3] = [100, 200, 300];
    let target = SocketAddr::new(plan::vip(Family::V4), 53);
    let mut service = Service { protocol: "udp", ..Service::new("names", "nat", target, 3, 5353) };
    for (backend, weight) in service.backend.iter_mut().zip(WEIGHTS) {
        backend.weight = weight;
    }
    let bed = Bed::without_servers(Size { clients: 1, backends: 3 }, vec![service]).await.unwrap();
    let _servers: Vec<_> = (0..3)
        .map(|index| {
            let address = SocketAddr::new(plan::backend(Family::V4, index), 5353);
            UdpServer::named(&bed.lab.backends()[usize::from(index)], address, &backend_name(index)).unwrap()
        })
        .collect();

    let mut rng = StdRng::seed_from_u64(1);
    let random: Vec<u32> = (0..10_000).map(|_| rng.random()).collect();
    // 10.16.0.1, 10.16.1.1, 10.16.2.1 ... 10.31.255.1
    let structured: Vec<u32> = (0..4_096).map(|number| number << 8 | 1).collect();
    for (kind, numbers) in [("random", random), ("structured", structured)] {
        let mut counts = [0_u32; 3];
        for number in &numbers {
            let source = plan::crowd(Family::V4, *number);
            let answer = udp::client(bed.lab.clients(), source, target)
                .and_then(|socket| Ok(udp::ask(&socket, b"?")?));
            let answer = answer.unwrap_or_else(|error| panic!("{source}: {error}"));
            let index = (0..3).find(|index| backend_name(*index).as_bytes() == answer).unwrap();
            counts[usize::from(index)] += 1;
        }
        for (count, weight) in counts.iter().zip(WEIGHTS) {
            let share = numbers.len() as f64 * f64::from(weight) / f64::from(WEIGHTS.iter().sum::<u32>());
            assert!(f64::from(*count) <= 1.1 * share, "{kind}: {counts:?} for weights {WEIGHTS:?}");
        }
    }
}
