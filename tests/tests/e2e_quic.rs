//! A real QUIC connection stays with its server when its client's address changes.

use std::{collections::BTreeSet, net::SocketAddr};

use anyhow::Result;
use lb_common::quic::scheme::{Key, Scheme};
use lb_user::lab::{
    Lab, Size, Way, backend_name,
    config::{Config, Persistence, Quic, Service},
    plan,
};
use limpet_tests::{
    Bed,
    quic::{Ids, Trust},
};

const CLIENTS: u32 = 12;
const BACKENDS: u8 = 3;
const SIZE: u64 = 3 << 20;
const KEY: [u8; 16] = *b"sixteen octets!!";

/// One for each way of making ids, and for each way through the balancer.
fn scheme(way: usize) -> Scheme {
    let key = Some(Key(KEY));
    match way % 4 {
        0 => Scheme::new(0, 3, 4, None),
        1 => Scheme::new(1, 3, 13, key),
        2 => Scheme::new(2, 3, 6, key),
        _ => Scheme::new(6, 8, 7, key),
    }
    .expect("within the bounds")
}

fn server_id(scheme: &Scheme, index: u8) -> Vec<u8> {
    let mut id = vec![0xd0; scheme.server_length()];
    id[scheme.server_length() - 1] = index;
    id
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn service(way: Way, scheme: &Scheme) -> Service {
    let quic = Quic {
        config: scheme.rotation(),
        server_id_length: scheme.server_length(),
        nonce_length: scheme.nonce_length(),
        key: scheme.key().map(|key| hex(&key.0)),
    };
    let mut service = Service {
        protocol: "udp",
        persistence: Persistence { quic: vec![quic], ..Persistence::by("quic-cid") },
        ..way.service(BACKENDS)
    };
    for (index, backend) in (0..).zip(&mut service.backend) {
        backend.server_id = Some(hex(&server_id(scheme, index)));
    }
    service
}

/// Downloads on several connections, each of which changes its client's address in the middle: the servers'
/// names of those that came to their end, and how many did not.
async fn migrating(bed: &Bed, trust: &Trust, way: Way) -> (BTreeSet<String>, u32) {
    let mut names = BTreeSet::new();
    let mut lost = 0;
    for number in 0..CLIENTS {
        let source = |at: u32| SocketAddr::new(plan::crowd(way.family, 1 + 1000 * at + number), 0);
        let namespace = bed.lab.clients();
        let client = trust.connect(namespace, source(0), way.target()).await.unwrap();
        let (name, mut download) = client.ask(SIZE).await.unwrap();
        download.read_to(SIZE / 4).await.unwrap();
        let rest: Result<()> = async {
            for at in 1..=2 {
                client.migrate(namespace, source(at))?;
                download.read_to(SIZE / 4 + u64::from(at) * SIZE * 3 / 8).await?;
            }
            Ok(())
        }
        .await;
        match rest {
            Ok(()) => drop(names.insert(name)),
            Err(_) => lost += 1,
        }
    }
    (names, lost)
}

fn event(bed: &Bed, name: &str) -> u64 {
    bed.daemon.status().unwrap().events[name]
}

async fn stays(ways: &[Way], through_balancer: bool) {
    let lab = Lab::new(Size { clients: 1, backends: BACKENDS }).unwrap();
    for index in (0..BACKENDS).filter(|_| through_balancer) {
        lab.answer_through_balancer(index).unwrap();
    }
    let schemes: Vec<_> = (0..ways.len()).map(scheme).collect();
    let services = ways.iter().zip(&schemes).map(|(way, scheme)| service(*way, scheme)).collect();
    let bed = Bed::in_lab(lab, Vec::new(), &Config::new(services)).await.unwrap();
    let trust = Trust::new().unwrap();
    for (way, scheme) in ways.iter().zip(schemes) {
        let _servers: Vec<_> = (0..BACKENDS)
            .map(|index| {
                let ids = Ids { scheme, server_id: server_id(&scheme, index) };
                let namespace = &bed.lab.backends()[usize::from(index)];
                trust.serve(namespace, way.called(index), &backend_name(index), Some(ids)).unwrap()
            })
            .collect();
        let before = event(&bed, "quic_routed");
        let (names, lost) = migrating(&bed, &trust, *way).await;
        assert_eq!(lost, 0, "{way:?}: connections lost");
        assert!(names.len() > 1, "{way:?}: all clients at {names:?}");
        // Each goes to two addresses without a flow.
        let routed = event(&bed, "quic_routed") - before;
        assert!(routed >= u64::from(CLIENTS) * 2, "{way:?}: {routed} routed by id");
    }
}

#[tokio::test]
async fn a_connection_stays_when_its_client_moves() {
    stays(&Way::PLAIN, false).await;
}

#[tokio::test]
async fn a_connection_stays_when_its_client_moves_and_is_seen() {
    stays(&Way::THROUGH_BALANCER, true).await;
}

/// What the ids are for: by connection, a client that moves is hashed anew.
#[tokio::test]
async fn without_ids_connections_are_lost() {
    let [way, ..] = Way::PLAIN;
    let service =
        Service { protocol: "udp", persistence: Persistence::by("connection"), ..way.service(BACKENDS) };
    let bed = Bed::without_servers(Size { clients: 1, backends: BACKENDS }, vec![service]).await.unwrap();
    let trust = Trust::new().unwrap();
    let _servers: Vec<_> = (0..BACKENDS)
        .map(|index| {
            let namespace = &bed.lab.backends()[usize::from(index)];
            trust.serve(namespace, way.called(index), &backend_name(index), None).unwrap()
        })
        .collect();
    let (_, lost) = migrating(&bed, &trust, way).await;
    // That none is lost has a probability of 9 to the power of -12.
    assert!(lost > 0);
}
