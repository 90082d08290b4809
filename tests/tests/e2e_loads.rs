//! Services that look at how many sessions a backend has, and how long it has been up.

use std::{collections::BTreeMap, ops::Range};

use lb_user::lab::{
    Family, Lab, Size, Status, Way, backend_name,
    client::get,
    config::{Config, Hash, Limits, Ports, QUICK_HTTP, Service},
    plan,
};
use limpet_tests::{
    Bed,
    bed::{PATIENCE, binary},
};
use serde_json::Value;

const BACKENDS: u8 = 4;
const CLIENTS: u32 = 400;
const FAIR: u64 = CLIENTS as u64 / BACKENDS as u64;
const WAY: Way = Way::PLAIN[0];

/// Three services that differ in how they choose, at ports from 80 on.
fn services() -> Vec<Service> {
    let plain = |index: u16, name: &str| Service {
        name: name.to_owned(),
        ports: Ports::Port(80 + index),
        ..WAY.service(BACKENDS)
    };
    vec![
        plain(0, "hash"),
        Service { scheduler: Some("least-sessions"), ..plain(1, "least") },
        Service { max_load: Some(105), ..plain(2, "bounded") },
    ]
}

/// Sessions by backend after the first connection of these clients.
async fn come(bed: &Bed, port: u16, clients: Range<u32>) -> BTreeMap<String, u64> {
    let target = (plan::vip(Family::V4), port).into();
    for number in clients {
        bed.clients.spawn(get(plan::crowd(Family::V4, number), target)).await.unwrap().unwrap();
    }
    let status = bed.daemon.status().unwrap();
    let service = &status.services[usize::from(port - 80)];
    service.backends.iter().map(|backend| (backend.name.clone(), backend.sessions)).collect()
}

#[tokio::test]
async fn sessions_spread_more_evenly_than_by_hash() {
    let lab = Lab::new(Size { clients: 1, backends: BACKENDS }).unwrap();
    let servers =
        (0..BACKENDS).map(|index| lab.start_server(&binary(), index).map(Some)).collect::<Result<_, _>>();
    let config = Config {
        // With a secret of their own the clients are always dealt out the same way.
        hash: Some(Hash { secret: "sessions that spread" }),
        limits: Some(Limits { new_pins_per_second: Some(10_000), ..Limits::default() }),
        ..Config::new(services())
    };
    let bed = Bed::in_lab(lab, servers.unwrap(), &config).await.unwrap();
    let busiest = |sessions: &BTreeMap<String, u64>| *sessions.values().max().unwrap();
    let by_hash = come(&bed, 80, 0..CLIENTS).await;
    assert!(busiest(&by_hash) > FAIR * 107 / 100, "{by_hash:?}");
    let least = come(&bed, 81, 0..CLIENTS).await;
    assert!(busiest(&least) <= FAIR * 103 / 100, "{least:?} by sessions, {by_hash:?} by hash");

    // The bound is of what there was at the last count, which a reload makes as well.
    let before = come(&bed, 82, 0..CLIENTS).await;
    let _done: Value = bed.daemon.ask(&["reload", "--json"]).unwrap();
    let after = come(&bed, 82, CLIENTS..CLIENTS + 20).await;
    let is_full = |backend: &str| before[backend] * 100 >= FAIR * 106;
    assert!(before.keys().any(|backend| is_full(backend)), "{before:?}");
    for (backend, sessions) in &after {
        assert_eq!(*sessions == before[backend], is_full(backend), "{before:?} -> {after:?}");
    }
}

#[tokio::test]
async fn a_backend_that_came_up_starts_slowly() {
    let service = Service { slow_start: Some("8s"), health: QUICK_HTTP, ..WAY.service(3) };
    let mut bed = Bed::new(Size { clients: 1, backends: 3 }, vec![service]).await.unwrap();
    let name = backend_name(0);
    let share = |status: &Status| {
        let backends = &status.services[0].backends;
        let found = backends.iter().find(|backend| backend.name == name).unwrap();
        (found.state == "up").then_some(found.share)
    };
    let before = share(&bed.daemon.status().unwrap()).unwrap();
    assert!(before > 0.3, "{before}: nobody is new when the daemon starts");

    bed.servers[0] = None;
    bed.daemon.wait_for(PATIENCE, |status| share(status).is_none()).await.unwrap();
    bed.servers[0] = Some(bed.lab.start_server(&binary(), 0).unwrap());
    // From a tenth of its weight of 100 beside 200 on, more and more: how much when it is looked at is chance.
    for (from, to) in [(0.03, 0.30), (before, 1.0)] {
        let is_between = |status: &Status| share(status).is_some_and(|share| (from..to).contains(&share));
        bed.daemon.wait_for(PATIENCE, is_between).await.unwrap();
    }
}
