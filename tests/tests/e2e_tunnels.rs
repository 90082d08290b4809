//! `ipip` and `gue` from end to end: the balancer wraps, `limpet decap` on the backend unwraps, and senders learn
//! how large a packet may be.

use std::{
    cmp::Reverse,
    net::{IpAddr, SocketAddr},
};

use lb_user::lab::{
    Daemon, Family, Lab, Size,
    config::{Backend, Config, Service, Tunnel},
    plan,
};
use limpet_tests::{
    Bed,
    decap::{process::Unwrapper, table::GUE_PORT},
    transfer::{self, Nginx, RandomFile},
};

/// Families inside and outside.
const PAIRS: [(Family, Family); 3] =
    [(Family::V4, Family::V4), (Family::V6, Family::V6), (Family::V4, Family::V6)];

/// A service that is reached through a tunnel.
#[derive(Clone, Copy, Debug)]
struct Way {
    forwarding: &'static str,
    inner: Family,
    outer: Family,
    port: u16,
}

impl Way {
    /// The roomiest first: a sender that has learned what one takes sends no larger packets to the others.
    fn all() -> Vec<Self> {
        let tunnels = ["ipip", "gue"].into_iter().flat_map(|tunnel| PAIRS.map(|pair| (tunnel, pair)));
        let way = |(port, (forwarding, (inner, outer)))| Self { forwarding, inner, outer, port };
        let mut ways: Vec<_> = (7000..).zip(tunnels).map(way).collect();
        ways.sort_by_key(|way| Reverse(way.room()));
        ways
    }

    fn target(self) -> SocketAddr {
        SocketAddr::new(plan::dsr_vip(self.inner), self.port)
    }

    fn service(self) -> Service {
        let name = format!("{}-{}", self.forwarding, self.port);
        let backend = vec![Backend::new(self.outer, 0, self.port)];
        Service { backend, ..Service::new(&name, self.forwarding, self.target(), 0, self.port) }
    }

    /// Bytes that its packets may have: a tunnel of 1,500 less the outer headers.
    fn room(self) -> u32 {
        let outer = if self.outer == Family::V4 { 20 } else { 40 };
        1500 - outer - if self.forwarding == "gue" { 8 } else { 0 }
    }
}

/// A lab with one backend that unwraps what the balancer sends.
async fn bed(mode: &'static str) -> (Unwrapper, Bed) {
    let lab = Lab::new(Size { clients: 1, backends: 1 }).unwrap();
    let from = Family::BOTH.map(|family| plan::balancer(family).to_string());
    let options = ["--from", &from[0], "--from", &from[1], "--mode", mode];
    let unwrapper = Unwrapper::start(&lab, &lab.backends()[0], &options).unwrap();
    let mut config = Config::new(Way::all().into_iter().map(Way::service).collect());
    config.interface.mode = mode;
    config.tunnel = Some(Tunnel { gue_port: GUE_PORT, mtu: 1500 });
    (unwrapper, Bed::in_lab(lab, Vec::new(), &config).await.unwrap())
}

fn answered(daemon: &Daemon) -> u64 {
    daemon.status().unwrap().forwards["too_big_answered"]
}

/// The MTU that the clients' kernel has learned of the path to `target`.
fn learned(bed: &Bed, target: IpAddr) -> Option<u32> {
    let mut command = std::process::Command::new("ip");
    let source = plan::client(if target.is_ipv4() { Family::V4 } else { Family::V6 }, 0).to_string();
    command.args(["route", "get", &target.to_string(), "from", &source]).stdout(std::process::Stdio::piped());
    let output = bed.lab.clients().spawn(&mut command).unwrap().wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_whitespace().skip_while(|word| *word != "mtu");
    words.nth(1)?.parse().ok()
}

/// Down and up through every tunnel. Clients and their segment take 1,500 bytes: what they upload at first does not
/// fit, and goes on once they have been told.
async fn transfer_files(mode: &'static str, size: u64) {
    let (unwrapper, bed) = bed(mode).await;
    assert_eq!(bed.daemon.status().unwrap().interfaces[0].mode, mode);
    let clients = bed.lab.clients();
    let file = RandomFile::new(size).unwrap();
    let ports: Vec<_> = Way::all().into_iter().map(|way| way.port).collect();
    let server = Nginx::start(&bed.lab.backends()[0], &ports, &file).unwrap();
    for way in Way::all() {
        let (source, target) = (plan::client(way.inner, 0), way.target());
        transfer::down(clients, source, target, &file).unwrap();

        let before = answered(&bed.daemon);
        transfer::up(clients, source, target, &file, &server).unwrap();
        assert!(answered(&bed.daemon) > before, "{way:?}");
        assert_eq!(learned(&bed, target.ip()), Some(way.room()), "{way:?}");
    }
    let status = bed.daemon.status().unwrap();
    assert!(status.drops.values().all(|&count| count == 0), "{:?}", status.drops);
    let figures = unwrapper.stop().unwrap();
    assert_eq!(figures["forwards"]["decapsulated"], status.forwards["to_backend"], "{figures}");
    assert!(figures["drops"].as_object().unwrap().values().all(|count| count == 0), "{figures}");
}

#[tokio::test]
async fn large_files_arrive_whole() {
    transfer_files("driver", 200 << 20).await;
}

#[tokio::test]
async fn files_arrive_whole_in_generic_mode() {
    transfer_files("generic", 20 << 20).await;
}
