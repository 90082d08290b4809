//! What operators change at run time moves nobody it should not, and lasts.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use lb_user::lab::{
    Size, Way, backend_name,
    client::{Connection, get},
    config::Config,
    plan,
};
use limpet_tests::{
    Bed,
    bed::{PATIENCE, binary},
};
use serde_json::{Value, json};

const CLIENTS: u32 = 60;
/// More addresses that nobody has seen yet, for as often as strangers are asked for.
const STRANGERS: u32 = 40;
const WAYS: [Way; 2] = [Way::PLAIN[0], Way::PLAIN[3]];

/// A client, where it lives, and its open connection.
struct Client {
    way: Way,
    number: u32,
    home: String,
    connection: Connection,
}

/// A new connection of a client; the answer is a backend's name.
async fn asks(bed: &Bed, way: Way, number: u32) -> anyhow::Result<String> {
    bed.clients.spawn(get(plan::crowd(way.family, number), way.target())).await.unwrap()
}

async fn settle(bed: &Bed) -> Vec<Client> {
    let mut clients = Vec::new();
    for way in WAYS {
        for number in 0..CLIENTS {
            let home = asks(bed, way, number).await.unwrap();
            let (source, target) = (plan::crowd(way.family, number), way.target());
            let opened = bed.clients.spawn(async move {
                let mut connection = Connection::open(source, target).await.unwrap();
                assert_eq!(connection.get().await.unwrap(), home);
                (home, connection)
            });
            let (home, connection) = opened.await.unwrap();
            clients.push(Client { way, number, home, connection });
        }
    }
    clients
}

/// Nobody has moved: neither an open connection nor a client that connects anew.
async fn all_at_home(bed: &Bed, clients: Vec<Client>, when: &str) -> Vec<Client> {
    let mut back = Vec::new();
    for mut client in clients {
        let answer = asks(bed, client.way, client.number).await.unwrap();
        assert_eq!(answer, client.home, "{when}: client {} of {:?}", client.number, client.way);
        client = bed
            .clients
            .spawn(async move {
                assert_eq!(client.connection.get().await.unwrap(), client.home);
                client
            })
            .await
            .unwrap_or_else(|error| panic!("{when}: an open connection: {error}"));
        back.push(client);
    }
    back
}

/// How many of the clients never seen before are sent to `backend`, by either way. `round` makes them new ones.
async fn strangers_at(bed: &Bed, backend: &str, round: u32) -> usize {
    let mut count = 0;
    for way in WAYS {
        for number in 0..STRANGERS {
            let answer = asks(bed, way, 1_000 + round * STRANGERS + number).await.unwrap();
            count += usize::from(answer == backend);
        }
    }
    count
}

/// `limpet backend ...`: exit code, standard output, standard error.
fn limpet(bed: &Bed, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary());
    let output =
        command.arg("--socket").arg(bed.daemon.socket()).arg("backend").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Tells both services.
fn order(bed: &Bed, action: &str, backend: &str, more: &[&str]) {
    for way in WAYS {
        let target = format!("{}/{backend}", way.name());
        let (code, _, complaint) = limpet(bed, &[&[action, &target], more].concat());
        assert_eq!((code, &*complaint), (Some(0), ""), "{action} {target}");
    }
}

/// A backend in `status`.
fn shown(bed: &Bed, way: Way, backend: &str) -> Value {
    let status: Value = bed.daemon.ask(&["status", "--json"]).unwrap();
    let named = |list: &Value, name: &str| {
        list.as_array().unwrap().iter().find(|it| it["name"] == name).expect("is there").clone()
    };
    named(&named(&status["services"], way.name())["backends"], backend)
}

#[tokio::test]
async fn a_drained_backend_keeps_its_clients_and_gets_no_others() {
    let services: Vec<_> = WAYS.iter().map(|way| way.service(3)).collect();
    let mut bed = Bed::new(Size { clients: 1, backends: 4 }, services.clone()).await.unwrap();
    let drained = backend_name(1);
    let clients = settle(&bed).await;
    for way in WAYS {
        let there = clients.iter().filter(|client| client.way == way && client.home == drained).count();
        assert!(there > 5, "{there} of {CLIENTS} clients of {way:?} are on {drained}");
    }
    // Sessions are proven, and so kept whatever strangers do, from the next tick of the clock on.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let clients = all_at_home(&bed, clients, "before").await;
    assert!(strangers_at(&bed, &drained, 0).await > 5);

    order(&bed, "drain", &drained, &[]);
    assert_eq!(strangers_at(&bed, &drained, 1).await, 0);
    let clients = all_at_home(&bed, clients, "drained").await;
    assert!(bed.daemon.status().unwrap().everywhere(&drained, "draining"));

    bed.daemon.kill().unwrap();
    bed.daemon.start_again().unwrap();
    assert_eq!(strangers_at(&bed, &drained, 2).await, 0);
    let clients = all_at_home(&bed, clients, "after a crash").await;
    assert!(bed.daemon.status().unwrap().everywhere(&drained, "draining"));

    let mut other = services;
    for (service, way) in other.iter_mut().zip(WAYS) {
        service.backend[0].weight = 50;
        service.backend.push(way.backend(3));
    }
    bed.daemon.reload(&Config::new(other).to_string()).unwrap();
    let applied = |status: &lb_user::lab::Status| {
        WAYS.iter().all(|way| status.service(way.name()).is_some_and(|service| service.backends.len() == 4))
    };
    bed.daemon.wait_for(PATIENCE, applied).await.unwrap();
    assert_eq!(strangers_at(&bed, &drained, 3).await, 0);
    let clients = all_at_home(&bed, clients, "after a reload").await;

    order(&bed, "weight", &drained, &["300"]);
    order(&bed, "enable", &drained, &[]);
    let runtime = json!({ "state": null, "deadline_left_s": null, "file_weight": 100 });
    for way in WAYS {
        let backend = shown(&bed, way, &drained);
        assert_eq!((&backend["state"], &backend["weight"]), (&json!("up"), &json!(300)));
        assert_eq!(backend["runtime"], runtime);
    }
    // 300 of 550.
    assert!(strangers_at(&bed, &drained, 4).await > STRANGERS as usize * 3 / 4);
    let clients = all_at_home(&bed, clients, "weighed and enabled").await;
    order(&bed, "reset", &drained, &[]);
    assert_eq!(shown(&bed, WAYS[0], &drained)["runtime"], Value::Null);
    all_at_home(&bed, clients, "reset").await;
}

#[tokio::test]
async fn a_disabled_backend_gets_nothing() {
    let services: Vec<_> = WAYS.iter().map(|way| way.service(2)).collect();
    let mut bed = Bed::new(Size { clients: 1, backends: 2 }, services).await.unwrap();
    let disabled = backend_name(0);
    let clients = settle(&bed).await;
    order(&bed, "disable", &disabled, &[]);
    let all_elsewhere = async |bed: &Bed| {
        for client in &clients {
            assert_ne!(asks(bed, client.way, client.number).await.unwrap(), disabled);
        }
    };
    all_elsewhere(&bed).await;
    bed.daemon.kill().unwrap();
    bed.daemon.start_again().unwrap();
    all_elsewhere(&bed).await;
    // Its checks go on, and say nothing else.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(bed.daemon.status().unwrap().everywhere(&disabled, "disabled"));
    order(&bed, "enable", &disabled, &[]);
    bed.daemon.wait_for(PATIENCE, |status| status.everywhere(&disabled, "up")).await.unwrap();
    assert!(strangers_at(&bed, &disabled, 0).await > 5);
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline_or_when_nobody_is_left() {
    let mut services: Vec<_> = WAYS.iter().map(|way| way.service(2)).collect();
    services[0].persistence.drain_deadline = Some("2h");
    let bed = Bed::new(Size { clients: 1, backends: 2 }, services).await.unwrap();
    let (way, drained) = (WAYS[0], backend_name(0));
    let target = format!("{}/{drained}", way.name());
    // Nobody has come yet.
    let (code, said, _) = limpet(&bed, &["drain", &target, "--wait"]);
    assert_eq!(code, Some(0));
    assert!(
        said.starts_with(&format!(
            "service nat-v4: backend {drained} is draining, and is disabled in 2h\nnobody is left"
        )),
        "{said}"
    );
    // The service says how long a drain lasts for which nobody does.
    let left = shown(&bed, way, &drained)["runtime"]["deadline_left_s"].as_u64().unwrap();
    assert!((7_100..=7_200).contains(&left), "{left} s");
    let (code, said, _) = limpet(&bed, &["enable", &target]);
    assert_eq!((code, &*said), (Some(0), &*format!("service nat-v4: backend {drained} is enabled\n")));

    let clients = settle(&bed).await;
    let there = clients.iter().filter(|client| client.way == way && client.home == drained).count();
    let begin = Instant::now();
    let arguments = ["drain", &target, "--deadline", "3s", "--wait"];
    let (code, said, _) = limpet(&bed, &arguments);
    assert_eq!(code, Some(3), "{said}");
    assert!(begin.elapsed() >= Duration::from_secs(2), "{said}");
    let sessions = format!("{there} sessions");
    assert!(
        said.contains(&format!("\n{sessions} and ")) && said.contains("the deadline ends it in"),
        "{said}"
    );
    assert!(said.contains(&format!("{drained} is disabled; {sessions} and ")), "{said}");
    let report = format!("0 sessions ended by themselves, 0 moved, {there} cut at the deadline; ");
    assert!(said.contains(&report), "{said}");
    let shown = shown(&bed, way, &drained);
    assert_eq!((&shown["state"], &shown["drain"]["cut"]["sessions"]), (&json!("disabled"), &json!(there)));
}

#[tokio::test]
async fn what_can_not_be_done_changes_nothing() {
    let services: Vec<_> = WAYS.iter().map(|way| way.service(2)).collect();
    let bed = Bed::new(Size { clients: 1, backends: 2 }, services).await.unwrap();
    for (arguments, words) in [
        (&["drain", "shop/b"][..], "there is no service `shop`; there are: nat-v4, dsr-v6"),
        (&["drain", "nat-v4/none"], "service nat-v4 has no backend `none`; it has: backend-1, backend-2"),
        (&["drain", "nat-v4"], "give a service and a backend"),
        (&["weight", "nat-v4/b", "0"], "0 is not in 1..=65535"),
        (&["drain", "nat-v4/backend-1", "--deadline", "0s"], "1s at least"),
        (&["add", "shop/b", "--address", "10.0.0.9"], "there is no service `shop`"),
        (&["add", "nat-v4/b", "--address", "2001:db8::9"], "of another family than its IPv4 service"),
        (&["add", "nat-v4/b", "--address", "127.0.0.1"], "a loopback address, can't be"),
        (&["add", "nat-v4/backend-1", "--address", "10.0.0.9"], "already has a backend named \"backend-1\""),
        (&["add", "nat-v4/b/c", "--address", "10.0.0.9"], "\"b/c\" can't be a name"),
        (&["add", "nat-v4/b"], "--address"),
    ] {
        let (code, said, complaint) = limpet(&bed, arguments);
        assert_ne!(code, Some(0), "{arguments:?}");
        assert!(said.is_empty() && complaint.contains(words), "{arguments:?}: {complaint}");
    }
    // Where its state should be there is something else.
    fs::write(bed.lab.directory().join("state"), "").unwrap();
    let target = format!("nat-v4/{}", backend_name(0));
    let (code, _, complaint) = limpet(&bed, &["drain", &target]);
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("the order was not carried out: run-time changes can't be written"),
        "{complaint}"
    );
    assert!(bed.daemon.status().unwrap().all("up"));
}

#[tokio::test]
async fn backends_that_come_move_nobody_and_those_that_go_their_own_clients() {
    let services: Vec<_> = WAYS.iter().map(|way| way.service(3)).collect();
    let mut bed = Bed::new(Size { clients: 1, backends: 4 }, services).await.unwrap();
    let [removed, added] = [backend_name(1), backend_name(3)];
    let clients = settle(&bed).await;
    // Sessions are proven from the next tick of the clock on.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let clients = all_at_home(&bed, clients, "before").await;

    for way in WAYS {
        let backend = way.backend(3);
        let target = format!("{}/{added}", way.name());
        let (address, port) = (backend.address.to_string(), way.backend_port().to_string());
        let arguments = ["add", &target, "--address", &address, "--port", &port];
        let (code, said, complaint) = limpet(&bed, &arguments);
        assert_eq!((code, &*complaint), (Some(0), ""));
        assert!(said.contains(&format!("backend {added} is added at {address} with weight 100")), "{said}");
        assert_eq!(limpet(&bed, &arguments).1, "nothing to change: it is so already\n");
        assert_eq!(shown(&bed, way, &added)["runtime"]["added"], true);
    }
    bed.daemon.wait_for(PATIENCE, |status| status.everywhere(&added, "up")).await.unwrap();
    let clients = all_at_home(&bed, clients, "added").await;
    assert!(strangers_at(&bed, &added, 0).await > 5);
    // A plan, a restart and a reload know of it.
    let file = bed.lab.directory().join("limpet.toml");
    let plan: Value = bed.daemon.ask(&["plan", "--json", "--config", file.to_str().unwrap()]).unwrap();
    assert_eq!((&plan["changes"], &plan["sessions"]["moved"]), (&json!([]), &json!(0)));
    bed.daemon.kill().unwrap();
    bed.daemon.start_again().unwrap();
    let clients = all_at_home(&bed, clients, "after a crash").await;
    let reloaded: Value = bed.daemon.ask(&["reload", "--json"]).unwrap();
    assert_eq!(reloaded["changes"], json!([]));
    assert!(strangers_at(&bed, &added, 1).await > 5);

    order(&bed, "remove", &removed, &[]);
    let (gone, stay): (Vec<_>, Vec<_>) = clients.into_iter().partition(|client| client.home == removed);
    assert!(gone.len() > 5, "{} of the clients are there", gone.len());
    let stay = all_at_home(&bed, stay, "removed").await;
    for client in &gone {
        assert_ne!(asks(&bed, client.way, client.number).await.unwrap(), removed);
    }
    bed.daemon.kill().unwrap();
    bed.daemon.start_again().unwrap();
    assert_eq!(strangers_at(&bed, &removed, 2).await, 0);
    let status: Value = bed.daemon.ask(&["status", "--json"]).unwrap();
    assert_eq!(status["services"][0]["removed"], json!([removed]));
    let (code, _, complaint) = limpet(&bed, &["drain", &format!("nat-v4/{removed}")]);
    assert_eq!(code, Some(1));
    assert!(complaint.contains("`limpet backend reset` brings it back"), "{complaint}");

    order(&bed, "reset", &removed, &[]);
    order(&bed, "reset", &added, &[]);
    bed.daemon.wait_for(PATIENCE, |status| status.everywhere(&removed, "up")).await.unwrap();
    assert!(strangers_at(&bed, &removed, 3).await > 5);
    assert_eq!(strangers_at(&bed, &added, 4).await, 0);
    all_at_home(&bed, stay.into_iter().filter(|client| client.home != added).collect(), "reset").await;
}
