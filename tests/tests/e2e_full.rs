//! More clients than the table of proven sessions has room for.

use std::{fs, path::PathBuf, time::Duration};

use aya::maps::{HashMap, Map, MapData};
use lb_user::lab::{
    Family, Lab, Size, Way, backend_name,
    client::get,
    config::{Config, Hash, Limits, Persistence, Ports, Service},
    plan,
};
use limpet_tests::{
    Bed,
    bed::{PATIENCE, binary},
};
use serde_json::Value;
use tokio::time::{Instant, timeout};

/// The fewest that a table may have.
const ROOM: u32 = 1_024;
/// Clients that find no room.
const LATE: u32 = 40;
/// Who is not answered within this time is refused: TCP says nothing for a second.
const SILENCE: Duration = Duration::from_millis(500);
/// The service that goes by hash when there is no room, and the one that refuses then, by port.
const BY_HASH: u16 = 80;
const REFUSES: u16 = 81;

async fn asks(bed: &Bed, port: u16, number: u32) -> anyhow::Result<String> {
    let target = (plan::vip(Family::V4), port).into();
    bed.clients.spawn(get(plan::crowd(Family::V4, number), target)).await.unwrap()
}

async fn homes(bed: &Bed, numbers: std::ops::Range<u32>) -> Vec<String> {
    let mut homes = Vec::new();
    for number in numbers {
        homes.push(asks(bed, BY_HASH, number).await.unwrap());
    }
    homes
}

fn events(bed: &Bed, name: &str) -> u64 {
    bed.daemon.status().unwrap().events[name]
}

fn used(bed: &Bed, table: &str) -> u64 {
    let status: Value = bed.daemon.ask(&["status", "--json"]).unwrap();
    let tables = status["tables"].as_array().unwrap();
    tables.iter().find(|it| it["name"] == table).unwrap()["used"].as_u64().unwrap()
}

/// Removes every session of strangers, as the kernel does when others come.
fn evict(bed: &Bed) {
    let maps: PathBuf = fs::read_dir(bed.lab.pins()).unwrap().next().unwrap().unwrap().path();
    let map = Map::LruHashMap(MapData::from_pin(maps.join("AFFINITY")).unwrap());
    let mut sessions: HashMap<_, [u64; 3], [u64; 3]> = map.try_into().unwrap();
    let keys: Vec<_> = sessions.keys().collect::<Result<_, _>>().unwrap();
    for key in keys {
        sessions.remove(&key).unwrap();
    }
}

#[tokio::test]
async fn who_finds_no_room_is_recognised_or_refused() {
    let service = |port: u16, name: &str, on_full| Service {
        name: name.to_owned(),
        ports: Ports::Port(port),
        persistence: Persistence { on_full: Some(on_full), ..Persistence::by("client-ip") },
        ..Way::PLAIN[0].service(3)
    };
    let config = Config {
        // The same clients go to the same backends in each run.
        hash: Some(Hash { secret: "a table that is full" }),
        limits: Some(Limits { pins: Some(ROOM), ..Limits::default() }),
        ..Config::new(vec![service(BY_HASH, "hash", "hash"), service(REFUSES, "refuse", "refuse")])
    };
    let lab = Lab::new(Size { clients: 1, backends: 4 }).unwrap();
    let servers = (0..4).map(|index| lab.start_server(&binary(), index).map(Some)).collect::<Result<_, _>>();
    let bed = Bed::in_lab(lab, servers.unwrap(), &config).await.unwrap();

    let friend = asks(&bed, REFUSES, 0).await.unwrap();
    let first = homes(&bed, 0..ROOM).await;
    assert_eq!(used(&bed, "PINS"), u64::from(ROOM));
    let late = homes(&bed, ROOM..ROOM + LATE).await;
    assert_eq!(used(&bed, "PINS"), u64::from(ROOM));
    assert!(events(&bed, "pins_full") > 0);

    // Those without a place come back to another pool, and nothing but this recognises them.
    evict(&bed);
    let added = format!("hash/{}", backend_name(3));
    let address = plan::backend(Family::V4, 3).to_string();
    let _done: Value = bed.daemon.ask(&["backend", "add", &added, "--address", &address, "--json"]).unwrap();
    bed.daemon.wait_for(PATIENCE, |status| status.all("up")).await.unwrap();
    let again = homes(&bed, ROOM..ROOM + LATE).await;
    let moved = late.iter().zip(&again).filter(|(was, is)| was != is).count() as u64;
    let displaced = events(&bed, "ghost_displaced");
    assert!(displaced < u64::from(LATE) / 2, "{displaced} places were taken by others");
    assert!(moved <= displaced, "{moved} moved: {late:?}, {again:?}");
    assert!(events(&bed, "session_recalled") >= u64::from(LATE) - displaced);
    let strangers = homes(&bed, 5_000..5_100).await;
    assert!(strangers.contains(&backend_name(3)), "others do go there: {strangers:?}");
    assert_eq!(homes(&bed, 0..50).await, first[..50], "who has a place keeps it");

    // Where the service refuses, the first without a place shows that there is none.
    let begin = Instant::now();
    let mut refused = None;
    for number in 6_000.. {
        if timeout(SILENCE, asks(&bed, REFUSES, number)).await.is_err() {
            refused = Some(number);
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "nobody is refused");
    }
    assert!(bed.daemon.status().unwrap().drops["sessions_full"] > 0);
    assert_eq!(asks(&bed, REFUSES, 0).await.unwrap(), friend, "who has a session is served");

    let dropped: Value = bed.daemon.ask(&["sessions", "drop", "--json", "--service", "hash"]).unwrap();
    assert!(dropped["sessions"].as_u64().unwrap() >= u64::from(ROOM) - 100, "{dropped}");
    let number = refused.unwrap();
    timeout(PATIENCE, asks(&bed, REFUSES, number)).await.expect("there is room").unwrap();
}
