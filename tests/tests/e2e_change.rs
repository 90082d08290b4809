//! Nothing that goes on breaks while the daemon changes, dies or returns.

use std::{net::SocketAddr, time::Duration};

use lb_user::lab::{
    Family, Size, Status, Way,
    client::Connection,
    config::{Config, Service},
    plan,
};
use limpet_tests::{Bed, bed::PATIENCE, transfer::LongDownload};

const CONNECTIONS: u32 = 500;

/// At this pace the download outlasts everything that happens below.
const FILE_SIZE: u64 = 200 << 20;
const RATE: &str = "20M";

/// A connection, its client and who answers it.
struct Held {
    connection: Connection,
    number: u32,
    backend: String,
}

/// Asks on every connection; each must be answered by the backend it has been on.
async fn ask_all(bed: &Bed, held: Vec<Held>, when: &str) -> Vec<Held> {
    let asked: Vec<_> = held
        .into_iter()
        .map(|mut held| bed.clients.spawn(async move { (held.connection.get().await, held) }))
        .collect();
    let mut held = Vec::new();
    for answer in asked {
        let (answer, connection) = answer.await.unwrap();
        let number = connection.number;
        let answer = answer.unwrap_or_else(|error| panic!("{when}: connection {number} broke: {error:#}"));
        assert_eq!(answer, connection.backend, "{when}: connection {number}");
        held.push(connection);
    }
    held
}

#[tokio::test]
async fn reload_kill_and_restart_break_nothing() {
    let mut before: Vec<_> = Way::PLAIN.map(|way| way.service(3)).into();
    before.push(LongDownload::service());
    let mut bed = Bed::new(Size { clients: 1, backends: 4 }, before.clone()).await.unwrap();
    let download = LongDownload::start(&bed.lab, FILE_SIZE, RATE).unwrap();

    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        let way = Way::PLAIN[number as usize % Way::PLAIN.len()];
        let (source, target) = (plan::crowd(way.family, number), way.target());
        held.push(bed.clients.spawn(async move {
            let mut connection = Connection::open(source, target).await.unwrap();
            let backend = connection.get().await.unwrap();
            Held { connection, number, backend }
        }));
    }
    let mut connections = Vec::new();
    for connection in held {
        connections.push(connection.await.unwrap());
    }

    // A backend more, another weight, an unrelated service more.
    let mut after = before;
    for (service, way) in after.iter_mut().zip(Way::PLAIN) {
        service.backend.push(way.backend(3));
        service.backend[1].weight = 10;
    }
    let unrelated = SocketAddr::new(plan::vip(Family::V6), 443);
    after.push(Service::new("unrelated", "nat", unrelated, 2, 8080));
    bed.daemon.reload(&Config::new(after.clone()).to_string()).unwrap();
    let applied = |status: &Status| {
        let four = |way: Way| status.service(way.name()).is_some_and(|service| service.backends.len() == 4);
        status.service("unrelated").is_some() && Way::PLAIN.into_iter().all(four)
    };
    bed.daemon.wait_for(PATIENCE, applied).await.unwrap();
    let connections = ask_all(&bed, connections, "after the reload").await;

    let program = bed.program_id().unwrap();
    bed.daemon.kill().unwrap();
    assert_eq!(bed.program_id().unwrap(), program, "the packet program outlives its daemon");
    let connections = ask_all(&bed, connections, "without a daemon").await;
    bed.daemon.start_again().unwrap();
    bed.daemon.wait_for(PATIENCE, |status| applied(status) && status.all("up")).await.unwrap();
    // The new daemon brought its own program, as one of another build would.
    assert_ne!(bed.program_id().unwrap(), program);
    let connections = ask_all(&bed, connections, "with a new daemon").await;

    // A file that can't be read changes nothing.
    bed.daemon.reload("[interface]\nnames = [\"eth0\"\n").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(applied(&bed.daemon.status().unwrap()), "what ran goes on");
    let connections = ask_all(&bed, connections, "after a broken file").await;

    assert!(!download.is_finished(), "the download was to outlast the changes: lower its rate");
    download.finish().await.unwrap();
    let connections = ask_all(&bed, connections, "at the end").await;
    for held in connections {
        bed.clients.spawn(held.connection.close()).await.unwrap().unwrap();
    }
}
