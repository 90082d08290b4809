//! Sessions are moved between connections, and back.

use std::time::Duration;

use aya::maps::{Array, Map, MapData};
use lb_common::state::LAYOUT_VERSION;
use lb_user::lab::{Size, Way, backend_name, client::Connection, client::get, plan};
use limpet_tests::{Bed, bed::PATIENCE};
use serde_json::{Value, json};

const CLIENTS: u32 = 80;
const WAY: Way = Way::PLAIN[0];

async fn asks(bed: &Bed, number: u32) -> String {
    bed.clients.spawn(get(plan::crowd(WAY.family, number), WAY.target())).await.unwrap().unwrap()
}

async fn all(bed: &Bed) -> Vec<String> {
    let mut homes = Vec::new();
    for number in 0..CLIENTS {
        homes.push(asks(bed, number).await);
    }
    homes
}

fn limpet(bed: &Bed, arguments: &[&str]) -> Value {
    bed.daemon.ask(&[&["sessions"], arguments, &["--json"]].concat()).unwrap()
}

fn refusal(bed: &Bed, arguments: &[&str]) -> String {
    bed.daemon.ask::<Value>(&[&["sessions"], arguments].concat()).unwrap_err().to_string()
}

/// The latest move, once it is in this state.
async fn last(bed: &Bed, state: &str) -> Value {
    for _ in 0..PATIENCE.as_millis() / 50 {
        let last = limpet(bed, &["moves"])["moves"][0].clone();
        if last["state"] == state {
            return last;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no move is {state}: {}", limpet(bed, &["moves"]))
}

#[tokio::test]
async fn open_connections_stay_and_the_next_ones_go_to_the_new_home() {
    let services = vec![WAY.service(3), Way::PLAIN[3].service(2)];
    let mut bed = Bed::new(Size { clients: 1, backends: 3 }, services).await.unwrap();
    let [from, to, other] = [0, 1, 2].map(backend_name);
    let before = all(&bed).await;
    let there = before.iter().filter(|home| **home == from).count();
    assert!(there > 10, "{there} of {CLIENTS} are at {from}");
    let one = before.iter().position(|home| *home == from).unwrap() as u32;
    let source = plan::crowd(WAY.family, one);
    let open = bed.clients.spawn(Connection::open(source, WAY.target())).await.unwrap().unwrap();

    let service = ["--service", WAY.name()];
    let order = ["move", "--backend", &from, "--to", &to];
    for (arguments, words) in [
        (&["move", "--backend", &from, "--to", "none"][..], "no service has a backend `none`"),
        (&order, "both have a backend `backend-2`: say which with --service"),
        (&["move", "--to", &other], "say which sessions: by client or by the backend"),
        (&["move", "--backend", &other, "--to", &other], "they are on backend-3 already"),
        (&["undo", "7"], "no move 7 is remembered"),
    ] {
        assert!(refusal(&bed, arguments).contains(words), "{arguments:?}: {}", refusal(&bed, arguments));
    }
    let planned = limpet(&bed, &[&order[..], &service, &["--dry-run"]].concat());
    assert_eq!((&planned["state"], &planned["total"]), (&json!("planned"), &json!(there)));
    assert_eq!(all(&bed).await, before);

    // A part of them: always the same.
    let half = [&order[..], &service, &["--percent", "50"]].concat();
    let total = limpet(&bed, &half)["total"].as_u64().unwrap();
    assert!((1..there as u64).contains(&total), "{total} of {there}");
    assert_eq!(last(&bed, "done").await["moved"], total);
    assert_eq!(limpet(&bed, &half)["total"], 0);

    // The others, with the daemon killed in the middle.
    let rest = there as u64 - total;
    assert_eq!(limpet(&bed, &[&order[..], &service, &["--rate", "1"]].concat())["total"], rest);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    bed.daemon.kill().unwrap();
    bed.daemon.start_again().unwrap();
    let interrupted = last(&bed, "interrupted").await;
    assert!(interrupted["moved"].as_u64().unwrap() < rest, "{interrupted}");
    limpet(&bed, &[&order[..], &service].concat());
    last(&bed, "done").await;

    let moved = all(&bed).await;
    for (home, was) in moved.iter().zip(&before) {
        assert_eq!(home, if *was == from { &to } else { was });
    }
    let stays = bed.clients.spawn(async move {
        let mut open = open;
        (open.get().await.unwrap(), open)
    });
    let (answer, open) = stays.await.unwrap();
    assert_eq!(answer, from, "an open connection stays");
    let shown = limpet(&bed, &["show", "--client", &source.to_string()]);
    assert_eq!((&shown[0]["backend"], &shown[0]["valid"]), (&json!(to), &json!(true)));
    assert!(shown[0]["created_at"].as_u64() <= shown[0]["seen_at"].as_u64(), "{shown}");

    // Back: each move takes back its own, whatever the daemon did in between.
    let (mut back, mut kept) = (0, 0);
    for entry in limpet(&bed, &["moves"])["moves"].as_array().unwrap() {
        let undone = limpet(&bed, &["undo", &entry["id"].to_string()]);
        back += undone["back"].as_u64().unwrap();
        kept += undone["kept"]["not at the target"].as_u64().unwrap_or_default();
    }
    // What the interrupted move had listed and not moved was the next one's, which took it back already.
    assert_eq!(back, there as u64);
    assert!(kept <= rest, "{kept} of {rest}");
    assert_eq!(all(&bed).await, before);
    assert!(refusal(&bed, &["undo", "1"]).contains("move 1 was undone already"));
    drop(open);

    // Who is not up is no target, nor a home to go back to.
    limpet(&bed, &[&order[..], &service].concat());
    last(&bed, "done").await;
    let target = format!("{}/{from}", WAY.name());
    let _drained: Value = bed.daemon.ask(&["backend", "drain", &target, "--json"]).unwrap();
    let words = format!("{target} takes no new sessions: it is not up");
    let onto = [&["move", "--backend", &to, "--to", &from][..], &service].concat();
    assert!(refusal(&bed, &onto).contains(&words), "{}", refusal(&bed, &onto));
    let id = limpet(&bed, &["moves"])["moves"][0]["id"].to_string();
    let undone = limpet(&bed, &["undo", &id]);
    let why = "its old backend is gone, or takes no new sessions";
    assert_eq!((&undone["back"], &undone["kept"][why]), (&json!(0), &json!(there)));
}

/// A daemon may have been killed between storing sessions and noting whose they are. That of moved ones is told by their
/// homes, which are not those that the hash says.
#[tokio::test]
async fn a_start_believes_nobody_that_clients_are_strangers() {
    let mut bed = Bed::new(Size { clients: 1, backends: 3 }, vec![WAY.service(3)]).await.unwrap();
    let [from, to] = [0, 1].map(backend_name);
    let before = all(&bed).await;
    limpet(&bed, &["move", "--backend", &from, "--to", &to]);
    last(&bed, "done").await;
    let moved = all(&bed).await;
    assert!(before != moved && !moved.contains(&from));

    bed.daemon.kill().unwrap();
    let strangers = MapData::from_pin(bed.lab.pins().join(format!("v{LAYOUT_VERSION}/STRANGERS"))).unwrap();
    let mut strangers: Array<_, u64> = Map::Array(strangers).try_into().unwrap();
    // The second half is in force, and says of everybody that they are.
    strangers.set(0, 1, 0).unwrap();
    for index in 1..strangers.len() {
        strangers.set(index, u64::MAX, 0).unwrap();
    }
    assert!(all(&bed).await.contains(&from), "by hash");
    bed.daemon.start_again().unwrap();
    // The first survey makes the second half anew; the other one stays as the start left it, until the next.
    assert_eq!(strangers.get(&1, 0).unwrap(), 0, "{}", bed.daemon.log());
    for _ in 0..PATIENCE.as_millis() / 50 {
        if strangers.get(&0, 0).unwrap() != 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let known = (strangers.len() / 2 + 1..strangers.len()).map(|index| strangers.get(&index, 0).unwrap());
    assert!(known.filter(|word| *word != u64::MAX).count() >= CLIENTS as usize / 2, "they are noted");
    assert_eq!(all(&bed).await, moved);
}
