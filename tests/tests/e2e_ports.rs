//! Services of several ports and of all ports, with real servers on each.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use lb_user::lab::{
    BACKEND_PORTS, Lab, Mode, Netns, Size, Way,
    client::{Connection, get},
    config::{Backend, Config, Ports, Service},
    plan,
};
use limpet_tests::{
    Bed,
    bed::{PATIENCE, lone_backend},
    transfer::{self, Nginx, RandomFile},
};

const SIZE: Size = Size { clients: 1, backends: 3 };
const CLIENTS: u32 = 40;

fn at(way: Way, port: u16) -> SocketAddr {
    SocketAddr::new(way.target().ip(), port)
}

/// A way's service with other ports, and backends that listen wherever they are called.
fn service(way: Way, ports: Ports) -> Service {
    let mut service = Service { ports, ..way.service(SIZE.backends) };
    service.backend.iter_mut().for_each(|backend| backend.port = None);
    service
}

/// Ways whose backends answer at 80 and 8080.
fn plain() -> impl Iterator<Item = Way> {
    Way::PLAIN.into_iter()
}

async fn bed(service: impl Fn(Way) -> Service) -> Bed {
    Bed::new(SIZE, plain().map(service).collect()).await.unwrap()
}

fn explained(bed: &Bed, way: Way, client: IpAddr, port: u16) -> serde_json::Value {
    let (client, port) = (client.to_string(), port.to_string());
    let arguments =
        ["explain", "--json", "--service", way.name(), "--client", &client, "--service-port", &port];
    bed.daemon.ask(&arguments).unwrap()
}

/// The session that a connection to one port makes is good at the other, and `explain` says so.
#[tokio::test]
async fn a_client_is_on_one_backend_at_all_ports() {
    for ports in [Ports::Ports(vec![80, 8080]), Ports::All("any")] {
        let bed = bed(|way| service(way, ports.clone())).await;
        for way in plain() {
            let mut homes = std::collections::BTreeSet::new();
            for client in (0..CLIENTS).map(|number| plan::crowd(way.family, number)) {
                let mut answers = Vec::new();
                for port in BACKEND_PORTS {
                    let home = bed.clients.spawn(get(client, at(way, port))).await.unwrap().unwrap();
                    let said = explained(&bed, way, client, port);
                    assert_eq!(
                        (said["backend"].as_str(), said["reason"].as_str()),
                        (Some(&*home), Some("session"))
                    );
                    answers.push(home);
                }
                assert_eq!(answers[0], answers[1], "{client}, {way:?}");
                homes.insert(answers.remove(0));
            }
            assert_eq!(homes.len(), usize::from(SIZE.backends), "{way:?}");
        }
        let status: serde_json::Value = bed.daemon.ask(&["status", "--json"]).unwrap();
        let service = &status["services"][0];
        match ports {
            Ports::Ports(_) => {
                assert_eq!((&service["port"], &service["ports"]), (&80.into(), &vec![80, 8080].into()));
            }
            _ => assert_eq!((&service["port"], service["ports"].as_array().unwrap().len()), (&0.into(), 0)),
        }
        assert_eq!(service["backends"][0]["port"], 0);
    }
}

/// Where backends name a port, all ports of the service lead there.
#[tokio::test]
async fn several_ports_lead_to_one() {
    let ways = || plain().filter(|way| way.mode == Mode::Nat);
    let to_one = |way: Way| Service { ports: Ports::Ports(vec![81, 82]), ..way.service(1) };
    let bed = Bed::new(SIZE, ways().map(to_one).collect()).await.unwrap();
    for (way, port) in ways().flat_map(|way| [(way, 81), (way, 82)]) {
        let answer =
            bed.clients.spawn(get(plan::client(way.family, 0), at(way, port))).await.unwrap().unwrap();
        assert_eq!(answer, "backend-1", "{way:?}, {port}");
    }
}

/// An exact port goes before any, and large files arrive whole by both and by all ways to forward.
#[tokio::test]
async fn large_files_arrive_whole_at_any_port() {
    let lab = Lab::new(SIZE).unwrap();
    lab.answer_through_balancer(1).unwrap();
    let backend = |way: Way, index| Backend { port: None, ..Backend::new(way.family, index, 80) };
    // The two kinds of nat share an address: one has a list, the other all the rest.
    let services = Way::all().map(|way| Service {
        ports: match way.mode {
            Mode::NatPreservingClient => Ports::Ports(vec![81, 8081]),
            _ => Ports::All("any"),
        },
        backend: vec![backend(way, lone_backend(way))],
        ..way.service(0)
    });
    let config = Config::new(services.collect());
    let bed = Bed::in_lab(lab, Vec::new(), &config).await.unwrap();
    let file = RandomFile::new(12 << 20).unwrap();
    let ports = [[80, 9000], [81, 8081]];
    let start = |(backend, ports): (&Netns, &[u16; 2])| Nginx::start(backend, ports, &file).unwrap();
    let _servers: Vec<_> = bed.lab.backends().iter().zip(&ports).map(start).collect();
    for way in Way::all() {
        for port in ports[usize::from(lone_backend(way))] {
            let source = plan::client(way.family, 0);
            transfer::down(bed.lab.clients(), source, at(way, port), &file).unwrap();
        }
    }
}

/// A port is added and taken away under open connections.
#[tokio::test]
async fn open_connections_outlive_changes_of_the_ports() {
    let bed = bed(|way| service(way, Ports::Port(80))).await;
    let mut held = Vec::new();
    for way in plain() {
        let open = Connection::open(plan::client(way.family, 0), at(way, 80));
        let mut connection = bed.clients.spawn(open).await.unwrap().unwrap();
        let home = connection.get().await.unwrap();
        held.push((way, connection, home));
    }
    for ports in [Ports::Ports(vec![80, 8080]), Ports::Port(8080), Ports::All("any")] {
        bed.daemon
            .reload(&Config::new(plain().map(|way| service(way, ports.clone())).collect()).to_string())
            .unwrap();
        let numbers = match &ports {
            Ports::Port(port) => vec![*port],
            Ports::Ports(ports) => ports.clone(),
            Ports::All(_) => Vec::new(),
        };
        let installed = || bed.daemon.ask::<serde_json::Value>(&["status", "--json"]).unwrap();
        let start = Instant::now();
        while installed()["services"][3]["ports"] != serde_json::Value::from(numbers.clone()) {
            assert!(start.elapsed() < PATIENCE, "{ports:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for (way, connection, home) in &mut held {
            assert_eq!(connection.get().await.unwrap(), *home, "{way:?}, {ports:?}");
        }
    }
}
