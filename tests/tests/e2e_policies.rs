//! What becomes of sessions whose backend is down or drains, by the policies of their service.

use std::{
    io::{BufRead as _, BufReader},
    net::{IpAddr, Ipv6Addr},
    process::{Command, Stdio},
    sync::mpsc,
};

use lb_user::lab::{backend_name, client::Connection, config::Persistence, plan};
use limpet_tests::{
    Bed,
    bed::{PATIENCE, binary},
    bereaved::{CLIENTS, Scene, VICTIM, WAYS},
};
use tokio::time::timeout;

/// The lines that `limpet events --follow` prints from now on.
fn follow(bed: &Bed) -> mpsc::Receiver<String> {
    let mut command = Command::new(binary());
    command.arg("--socket").arg(bed.daemon.socket()).args(["events", "--follow"]).stdout(Stdio::piped());
    // It is killed with the namespace it runs in.
    let mut child = bed.lab.balancer().spawn(&mut command).unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
        child.wait()
    });
    receiver
}

#[tokio::test]
async fn lent_clients_return_home() {
    let mut scene = Scene::new(&Persistence { on_down: Some("lend"), ..Persistence::by("client-ip") }).await;
    let lines = follow(&scene.bed);
    scene.kill_victim().await;
    let mut expected = Vec::new();
    for (index, way) in WAYS.into_iter().enumerate() {
        let lent = scene.all(way, scene.bereaved(index)).await;
        assert!(lent.values().all(|server| *server != backend_name(VICTIM)), "{lent:?}");
        assert_eq!(scene.all(way, scene.bereaved(index)).await, lent, "as long as it lasts");
        scene.others_stay(index).await;
        scene.assert_broken(index, &[("lent", lent.len())]);
        let (number, server) = lent.first_key_value().unwrap();
        scene.assert_explained(
            way,
            *number,
            &format!("goes to {server} for now: the backend of its session is down"),
        );
        expected.extend(lent.into_iter().map(|(number, server)| {
            let client = plan::crowd(way.family, number);
            // An IPv6 client is known by its /64.
            let client =
                if client.is_ipv4() { client.to_string() } else { format!("{}/64", network(client)) };
            format!("{}  {client}  lent: {} -> {server}", way.name(), backend_name(VICTIM))
        }));
    }
    let mut told: Vec<String> = Vec::new();
    while told.len() < expected.len() {
        let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no more than {told:?}"));
        let (_time, rest) = line.split_once("  ").unwrap();
        told.push(rest.to_owned());
    }
    expected.sort();
    told.sort();
    assert_eq!(told, expected);

    scene.revive_victim().await;
    for (index, way) in WAYS.into_iter().enumerate() {
        assert_eq!(scene.all(way, 0..CLIENTS).await, scene.homes[index]);
        scene.assert_broken(index, &[("lent", scene.bereaved(index).len())]);
    }
}

/// The first address of a client's /64.
fn network(client: IpAddr) -> IpAddr {
    let IpAddr::V6(address) = client else { panic!("{client} is IPv4") };
    Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()
}

#[tokio::test]
async fn refused_clients_wait_for_their_home() {
    let refuse = Persistence { on_down: Some("refuse"), ..Persistence::by("client-ip") };
    let mut scene = Scene::new(&refuse).await;
    scene.kill_victim().await;
    let mut waiting = Vec::new();
    for (index, way) in WAYS.into_iter().enumerate() {
        let bereaved = scene.bereaved(index);
        for _ in 0..2 {
            scene.all_refused(way, &bereaved).await;
        }
        scene.others_stay(index).await;
        scene.assert_broken(index, &[("refused", bereaved.len())]);
        scene.assert_explained(way, bereaved[0], "is refused: the backend of its session is down");
        waiting.push(scene.asks(way, bereaved[0]));
    }
    scene.revive_victim().await;
    for (index, way) in WAYS.into_iter().enumerate() {
        assert_eq!(scene.all(way, 0..CLIENTS).await, scene.homes[index]);
    }
    for patient in waiting {
        let answer = timeout(PATIENCE, patient).await.expect("in time").unwrap().unwrap();
        assert_eq!(answer, backend_name(VICTIM), "who went on trying is served at home");
    }
}

#[tokio::test]
async fn held_clients_move_when_the_time_is_over() {
    let hold = Persistence { on_down: Some("hold"), hold: Some("6s"), ..Persistence::by("client-ip") };
    let mut scene = Scene::new(&hold).await;
    scene.kill_victim().await;
    let counts = [0, 1].map(|index| scene.bereaved(index).len());
    for (index, way) in WAYS.into_iter().enumerate() {
        scene.all_refused(way, &scene.bereaved(index)).await;
        scene.assert_broken(index, &[("refused", counts[index])]);
    }
    for (index, way) in WAYS.into_iter().enumerate() {
        // Their kernels go on trying until the time is over.
        let moved = scene.all(way, scene.bereaved(index)).await;
        assert!(moved.values().all(|server| *server != backend_name(VICTIM)), "{moved:?}");
        scene.others_stay(index).await;
        scene.assert_broken(index, &[("down", counts[index]), ("refused", counts[index])]);
        scene.homes[index].extend(moved);
    }
    scene.revive_victim().await;
    for (index, way) in WAYS.into_iter().enumerate() {
        assert_eq!(scene.all(way, 0..CLIENTS).await, scene.homes[index], "for good");
    }
}

#[tokio::test]
async fn a_drain_moves_clients_between_connections() {
    let moves = Persistence { on_drain: Some("move"), ..Persistence::by("client-ip") };
    let mut scene = Scene::new(&moves).await;
    let mut open = Vec::new();
    for (index, way) in WAYS.into_iter().enumerate() {
        let source = plan::crowd(way.family, scene.bereaved(index)[0]);
        open.push(scene.bed.clients.spawn(Connection::open(source, way.target())).await.unwrap().unwrap());
    }
    scene.order("drain");
    for (index, way) in WAYS.into_iter().enumerate() {
        let bereaved = scene.bereaved(index);
        let moved = scene.all(way, bereaved.iter().copied()).await;
        assert!(moved.values().all(|server| *server != backend_name(VICTIM)), "{moved:?}");
        assert_eq!(scene.all(way, bereaved.iter().copied()).await, moved);
        scene.others_stay(index).await;
        scene.assert_broken(index, &[("drained", bereaved.len())]);
        scene.homes[index].extend(moved);
    }
    for mut connection in open {
        let answer = scene.bed.clients.spawn(async move { connection.get().await }).await.unwrap();
        assert_eq!(answer.unwrap(), backend_name(VICTIM), "an open connection stays");
    }
    scene.order("enable");
    for (index, way) in WAYS.into_iter().enumerate() {
        assert_eq!(scene.all(way, 0..CLIENTS).await, scene.homes[index], "for good");
    }
}
