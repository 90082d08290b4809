//! A flood on the wire, among real clients and real servers.

use std::{
    net::{IpAddr, SocketAddrV4},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use lb_user::lab::{
    Family, Lab, Netns, Size, Way,
    client::{self, Connection},
    config::{Config, Nat},
    plan,
};
use limpet_tests::{
    Bed, binary,
    flood::{feed, live::Generator},
    transfer::LongDownload,
};
use nix::net::if_::if_nametoindex;

const CONNECTIONS: u32 = 40;
const FLOOD: Duration = Duration::from_secs(8);
/// Lasts as long as the flood, at this pace.
const FILE_SIZE: u64 = 40 << 20;
const RATE: &str = "4M";

/// The Ethernet address of a namespace's interface.
fn mac(namespace: &Netns) -> [u8; 6] {
    let mut command = Command::new("ip");
    command.args(["-json", "link", "show", "dev", "eth0"]).stdout(Stdio::piped());
    let output = namespace.spawn(&mut command).unwrap().wait_with_output().unwrap();
    let links: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = links[0]["address"].as_str().unwrap();
    let bytes: Vec<u8> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    bytes.try_into().expect("six bytes")
}

/// Sends to both services by turns, until told to stop.
fn flood(lab: &Lab, stop: &Arc<AtomicBool>, sent: &Arc<AtomicU64>) -> Vec<thread::JoinHandle<()>> {
    let macs = [mac(lab.clients()), mac(lab.balancer())];
    let targets = [plan::vip(Family::V4), plan::dsr_vip(Family::V4)];
    let start = |address: IpAddr| {
        let IpAddr::V4(address) = address else { panic!("IPv4") };
        let generator =
            Generator::load(&feed::object(), macs, SocketAddrV4::new(address, 80)).expect("loads");
        let (switch, stop, sent) = (lab.switch().clone(), Arc::clone(stop), Arc::clone(sent));
        thread::spawn(move || {
            switch.run(|| {
                let port = if_nametoindex("balancer").expect("the switch has it");
                generator.run(port, &sent, &stop).expect("sends");
            });
        })
    };
    targets.map(start).into()
}

#[tokio::test]
async fn nobody_loses_a_connection() {
    let mut services: Vec<_> = Way::PLAIN.map(|way| way.service(3)).into();
    services.push(LongDownload::service());
    let lab = Lab::new(Size { clients: 1, backends: 3 }).unwrap();
    let servers = (0..3).map(|index| lab.start_server(&binary(), index).map(Some)).collect::<Result<_, _>>();
    // So few that the flood takes all of them many times over.
    let config =
        Config { nat: Some(Nat { source: Vec::new(), ports: Some("1024-2047") }), ..Config::new(services) };
    let bed = Bed::in_lab(lab, servers.unwrap(), &config).await.unwrap();
    let download = LongDownload::start(&bed.lab, FILE_SIZE, RATE).unwrap();

    let mut held = Vec::new();
    for number in 0..CONNECTIONS {
        let way = Way::PLAIN[number as usize % Way::PLAIN.len()];
        let (source, target) = (plan::crowd(way.family, number), way.target());
        let open = async move {
            let mut connection = Connection::open(source, target).await.unwrap();
            let backend = connection.get().await.unwrap();
            (connection, backend)
        };
        held.push(bed.clients.spawn(open).await.unwrap());
    }

    let (stop, sent) = (Arc::default(), Arc::default());
    let generators = flood(&bed.lab, &stop, &sent);
    let ends = Instant::now() + FLOOD;
    let asked = held.into_iter().enumerate().map(|(number, (mut connection, backend))| {
        bed.clients.spawn(async move {
            let mut requests = 0;
            while Instant::now() < ends {
                let answer = connection.get().await;
                let answer = answer.unwrap_or_else(|error| panic!("connection {number} broke: {error:#}"));
                assert_eq!(answer, backend, "connection {number}");
                requests += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (connection, backend, requests)
        })
    });
    let asked: Vec<_> = asked.collect();
    let mut held = Vec::new();
    for connection in asked {
        let (connection, backend, requests) = connection.await.unwrap();
        assert!(requests > 5, "a connection stood still");
        held.push((connection, backend));
    }
    stop.store(true, Relaxed);
    for generator in generators {
        generator.join().unwrap();
    }
    let sent: u64 = sent.load(Relaxed);
    let status = bed.daemon.status().unwrap();
    assert!(status.events["port_displaced_stranger"] > 10_000, "{sent} SYNs were no flood: {status:?}");

    // No stranger's port has to be waited for.
    for number in 1_000..1_000 + CONNECTIONS {
        let way = Way::PLAIN[number as usize % Way::PLAIN.len()];
        let (source, target) = (plan::crowd(way.family, number), way.target());
        bed.clients.spawn(client::get(source, target)).await.unwrap().unwrap();
    }
    download.finish().await.unwrap();
    for (mut connection, backend) in held {
        let asked = bed.clients.spawn(async move { connection.get().await });
        assert_eq!(asked.await.unwrap().unwrap(), backend);
    }
}
