//! A link on the way that takes smaller packets than both ends: routers say so by ICMP errors, which have to find
//! whoever sends too much.

use std::{net::IpAddr, process::Command, thread, time::Duration};

use lb_user::lab::{
    BACKEND_PORTS, Family, Lab, Mode, Netns, Size, Way,
    config::{Config, Service},
    plan,
};
use limpet_tests::{
    Bed,
    bed::lone_backend,
    transfer::{self, Download, Nginx, RandomFile, start_upload},
};

const SIZE: Size = Size { clients: 1, backends: 2 };
const FILE: u64 = 4 << 20;
const NARROW: u16 = 1300;
/// What is behind a narrow link: a client's number, or a backend's index.
const BEHIND: u8 = 200;

fn route(namespace: &Netns, to: [IpAddr; 2], via: [IpAddr; 2]) {
    for (to, via) in to.into_iter().zip(via) {
        namespace.ip_batch(&format!("route add {to} via {via} dev eth0\n")).unwrap();
    }
}

/// A client behind a narrow link, and a router that both backends and the balancer know.
fn client_behind(lab: &Lab) -> Netns {
    let addresses = Family::BOTH.map(|family| plan::client(family, BEHIND));
    let behind = lab.behind(lab.clients(), "behind", addresses, NARROW).unwrap();
    let router = Family::BOTH.map(|family| plan::client(family, 0));
    lab.answer_through_balancer(1).unwrap();
    route(lab.balancer(), addresses, router);
    route(&lab.backends()[0], addresses, router);
    route(&lab.backends()[1], addresses, Family::BOTH.map(plan::balancer));
    behind
}

/// A backend behind a narrow link; the first backend of the lab is its router.
fn backend_behind(lab: &Lab) -> Netns {
    let addresses = Family::BOTH.map(|family| plan::backend(family, BEHIND));
    let behind = lab.behind(&lab.backends()[0], "behind", addresses, NARROW).unwrap();
    lab.answer_through_balancer(0).unwrap();
    route(lab.balancer(), addresses, Family::BOTH.map(|family| plan::backend(family, 0)));
    behind
}

/// The router no longer says a word.
fn silence(router: &Netns) {
    let rules = "add table inet silence
        add chain inet silence out { type filter hook output priority 0; }
        add rule inet silence out icmp type destination-unreachable drop
        add rule inet silence out icmpv6 type packet-too-big drop";
    assert!(router.spawn(Command::new("nft").arg(rules)).unwrap().wait().unwrap().success(), "nft");
}

async fn bed(lab: Lab, ways: impl Iterator<Item = Way>, index: impl Fn(Way) -> u8) -> Bed {
    let services = ways.map(|way| Service { backend: vec![way.backend(index(way))], ..way.service(0) });
    Bed::in_lab(lab, Vec::new(), &Config::new(services.collect())).await.unwrap()
}

fn errors(bed: &Bed) -> u64 {
    bed.daemon.status().unwrap().events["icmp_error"]
}

/// Backends learn that the way to a client is narrow.
#[tokio::test]
async fn a_narrow_way_to_the_client() {
    let lab = Lab::new(SIZE).unwrap();
    let client = client_behind(&lab);
    let bed = bed(lab, Way::all(), lone_backend).await;
    let file = RandomFile::new(FILE).unwrap();
    let servers = Nginx::on_backends(&bed.lab, &file).unwrap();
    for way in Way::all() {
        let (source, target) = (plan::client(way.family, BEHIND), way.target());
        let before = errors(&bed);
        transfer::down(&client, source, target, &file).unwrap();
        assert!(errors(&bed) > before, "{way:?}: nobody had to be told");
        transfer::up(&client, source, target, &file, &servers[usize::from(lone_backend(way))]).unwrap();
    }
}

/// Clients learn that the way to a backend is narrow. (With `dsr` there is no router on it.)
#[tokio::test]
async fn a_narrow_way_to_the_backend() {
    // A lab for each: what a client has learned of an address is true of all its ports.
    for mode in [Mode::Nat, Mode::NatPreservingClient] {
        narrow_way_to_the_backend(mode).await;
    }
}

async fn narrow_way_to_the_backend(mode: Mode) {
    let lab = Lab::new(SIZE).unwrap();
    let backend = backend_behind(&lab);
    let ways = || Way::all().filter(|way| way.mode == mode);
    let bed = bed(lab, ways(), |_| BEHIND).await;
    let file = RandomFile::new(FILE).unwrap();
    let server = Nginx::start(&backend, &BACKEND_PORTS, &file).unwrap();
    for way in ways() {
        let (source, target) = (plan::client(way.family, 0), way.target());
        let before = errors(&bed);
        transfer::up(bed.lab.clients(), source, target, &file, &server).unwrap();
        assert!(errors(&bed) > before, "{way:?}: nobody had to be told");
        transfer::down(bed.lab.clients(), source, target, &file).unwrap();
    }
}

/// What the tests above rest on: without the errors nothing gets through.
#[tokio::test]
async fn without_errors_transfers_hang() {
    let lab = Lab::new(SIZE).unwrap();
    let client = client_behind(&lab);
    silence(lab.clients());
    let down = bed(lab, Way::all(), lone_backend).await;
    let file = RandomFile::new(FILE).unwrap();
    let _servers = Nginx::on_backends(&down.lab, &file).unwrap();
    let start =
        |way: Way| Download::start(&client, plan::client(way.family, BEHIND), way.target(), None).unwrap();
    let mut downloads: Vec<_> = Way::all().map(|way| (way, start(way))).collect();

    let lab = Lab::new(SIZE).unwrap();
    let backend = backend_behind(&lab);
    silence(&lab.backends()[0]);
    let ways = || Way::all().filter(|way| way.mode != Mode::Dsr);
    let up = bed(lab, ways(), |_| BEHIND).await;
    let _server = Nginx::start(&backend, &BACKEND_PORTS, &file).unwrap();
    let start = |way: Way| {
        let source = plan::client(way.family, 0);
        start_upload(up.lab.clients(), source, way.target(), &file).unwrap()
    };
    let mut uploads: Vec<_> = ways().map(|way| (way, start(way))).collect();

    thread::sleep(Duration::from_secs(4));
    for (way, download) in &mut downloads {
        assert!(download.running().unwrap(), "download, {way:?}");
    }
    for (way, upload) in &mut uploads {
        assert!(upload.try_wait().unwrap().is_none(), "upload, {way:?}");
        upload.kill().unwrap();
        upload.wait().unwrap();
    }
    assert_eq!((errors(&down), errors(&up)), (0, 0));
}
