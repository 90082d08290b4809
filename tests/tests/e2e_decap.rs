//! `limpet decap` on a backend: real sockets send through both tunnels, a real server answers.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use lb_user::{
    dataplane::attach_pass,
    lab::{Family, Lab, Netns, Size, plan},
};
use limpet_tests::{
    bed::PATIENCE,
    decap::{
        process::{Unwrapper, command},
        sender::{Sender, Tunnel, packet},
        tun::Encapsulator,
    },
    raw::ping,
    transfer::{self, Nginx, RandomFile},
    udp::{self, UdpServer},
};

/// Outer and inner families that are unwrapped.
const PAIRS: [(Family, Family); 3] =
    [(Family::V4, Family::V4), (Family::V6, Family::V6), (Family::V6, Family::V4)];
/// The balancer, in both families.
const FROM_BALANCER: [&str; 4] = ["--from", "10.77.0.1", "--from", "fd77::/64"];
const PORT: u16 = 7000;
/// For what must not happen.
const SHORT: Duration = Duration::from_millis(200);

/// A client, a balancer that the test plays, and a backend that owns the service's addresses.
struct Stage {
    lab: Lab,
}

impl Stage {
    fn new() -> Self {
        let lab = Lab::new(Size { clients: 1, backends: 1 }).unwrap();
        // The kernel's own check of sources is as strict as it gets: unwrapped packets still come in by `eth0`.
        lab.backends()[0].set_sysctl("net/ipv4/conf/all/rp_filter", "1").unwrap();
        // A veth hands on checksums that nobody has computed yet; on a wire they would be there.
        for sender in [lab.balancer(), lab.clients()] {
            let mut ethtool = Command::new("ethtool");
            ethtool.args(["-K", "eth0", "tx", "off"]).stdout(Stdio::null());
            assert!(sender.spawn(&mut ethtool).unwrap().wait().unwrap().success());
        }
        Self { lab }
    }

    fn backend(&self) -> &Netns {
        &self.lab.backends()[0]
    }

    fn unwrapper(&self, options: &[&str]) -> Unwrapper {
        Unwrapper::start(&self.lab, self.backend(), options).unwrap()
    }

    /// A server of the service at `address`, and a client's socket for it.
    fn service(&self, address: IpAddr) -> (UdpServer, UdpSocket) {
        let target = SocketAddr::new(address, PORT);
        let server = UdpServer::echo(self.backend(), target).unwrap();
        (server, udp::client(self.lab.clients(), plan::client(family(address), 0), target).unwrap())
    }

    /// Sends a client's datagram as the balancer would.
    fn forward(&self, tunnel: Tunnel, outer: Family, client: &UdpSocket, data: &[u8]) {
        self.send(self.lab.balancer(), plan::balancer(outer), tunnel, client, data);
    }

    /// Sends a client's datagram from a host that is `source`.
    fn send(&self, host: &Netns, source: IpAddr, tunnel: Tunnel, client: &UdpSocket, data: &[u8]) {
        let (outer, inner) = (family(source), family(client.local_addr().unwrap().ip()));
        let sender = Sender::new(host, tunnel, inner, source, plan::backend(outer, 0)).unwrap();
        sender.send(&packet(client, data).unwrap()).unwrap();
    }

    fn has_program(&self) -> bool {
        let mut command = Command::new("ip");
        command.args(["-json", "link", "show", "dev", "eth0"]).stdout(Stdio::piped());
        let output = self.backend().spawn(&mut command).unwrap().wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().contains("xdp")
    }
}

fn family(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// The client's next datagram, if one comes within this time.
fn answer(client: &UdpSocket, within: Duration) -> Option<Vec<u8>> {
    client.set_read_timeout(Some(within)).unwrap();
    let mut buffer = vec![0; 2048];
    let length = client.recv(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// The largest datagram that no outer header makes too large for the segment.
fn payload() -> Vec<u8> {
    (0..1500 - 40 - 8 - 4 - 40 - 8).map(|at| (at * 7) as u8).collect()
}

fn both_tunnels_in_mode(mode: &str) {
    let stage = Stage::new();
    let unwrapper = stage.unwrapper(&[&FROM_BALANCER[..], &["--mode", mode]].concat());
    assert!(unwrapper.log().contains(&format!("on eth0 in {mode} mode")), "{}", unwrapper.log());
    let mut sent = 0;
    for (outer, inner) in PAIRS {
        let (_server, client) = stage.service(plan::dsr_vip(inner));
        for tunnel in Tunnel::ALL {
            for data in [&payload()[..], b"odd", b""] {
                stage.forward(tunnel, outer, &client, data);
                sent += 1;
                let answer = answer(&client, PATIENCE);
                assert_eq!(answer.as_deref(), Some(data), "{inner:?} in {outer:?} by {tunnel:?}");
            }
        }
    }
    assert!(stage.has_program());
    let figures = unwrapper.stop().unwrap();
    assert_eq!(figures["forwards"]["decapsulated"], sent, "{figures}");
    let drops = figures["drops"].as_object().unwrap();
    assert!(!drops.is_empty() && drops.values().all(|count| count == 0), "{figures}");

    // It has left, and this kernel unwraps nothing by itself.
    assert!(!stage.has_program());
    let (_server, client) = stage.service(plan::dsr_vip(Family::V4));
    stage.forward(Tunnel::Ipip, Family::V4, &client, b"nobody there");
    assert_eq!(answer(&client, SHORT), None);
}

#[test]
fn both_tunnels_in_driver_mode() {
    both_tunnels_in_mode("driver");
}

#[test]
fn both_tunnels_in_generic_mode() {
    both_tunnels_in_mode("generic");
}

/// Real connections: all that the client sends goes through the tunnel, answers come directly.
#[test]
fn files_arrive_whole() {
    let stage = Stage::new();
    let clients = stage.lab.clients();
    let options = PAIRS.map(|(outer, _)| ["--from".to_owned(), plan::client(outer, 0).to_string()]).concat();
    let unwrapper = stage.unwrapper(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let file = RandomFile::new(20 << 20).unwrap();
    let server = Nginx::start(stage.backend(), &[PORT], &file).unwrap();
    for (outer, inner) in PAIRS {
        let target = SocketAddr::new(plan::dsr_vip(inner), PORT);
        for tunnel in Tunnel::ALL {
            let (from, to) = (plan::client(outer, 0), plan::backend(outer, 0));
            let sender = Sender::new(clients, tunnel, inner, from, to).unwrap();
            let _tunnel = Encapsulator::start(clients, target.ip(), sender).unwrap();
            let source = plan::client(inner, 0);
            let by = || format!("{inner:?} in {outer:?} by {tunnel:?}");
            transfer::up(clients, source, target, &file, &server).with_context(by).unwrap();
            transfer::down(clients, source, target, &file).with_context(by).unwrap();
        }
    }
    let figures = unwrapper.stop().unwrap();
    let segments = (PAIRS.len() * Tunnel::ALL.len()) as u64 * (20 << 20) / 1460;
    assert!(figures["forwards"]["decapsulated"].as_u64().unwrap() > segments, "{figures}");
    assert!(figures["drops"].as_object().unwrap().values().all(|count| count == 0), "{figures}");
}

#[test]
fn only_who_may_and_only_for_this_host() {
    let stage = Stage::new();
    let mut unwrapper = stage.unwrapper(&FROM_BALANCER);
    let (mut strangers, mut elsewhere) = (0, 0);
    for (outer, inner) in PAIRS {
        let (_server, client) = stage.service(plan::dsr_vip(inner));
        // An address that the backend would route on to, were it a router.
        let other = udp::client(stage.lab.clients(), plan::client(inner, 0), (plan::vip(inner), PORT).into());
        let other = other.unwrap();
        for tunnel in Tunnel::ALL {
            stage.send(stage.lab.clients(), plan::client(outer, 0), tunnel, &client, b"let me in");
            strangers += 1;
            stage.forward(tunnel, outer, &other, b"not here");
            elsewhere += 1;
        }
        assert_eq!(answer(&client, SHORT), None, "{inner:?} in {outer:?}");
    }
    unwrapper.wait_for_count("drops", "sender_not_allowed", strangers).unwrap();
    unwrapper.wait_for_count("drops", "inner_not_local", elsewhere).unwrap();

    // The host's own business goes on.
    for family in Family::BOTH {
        let (source, target) = (plan::client(family, 0), plan::backend(family, 0));
        ping(stage.lab.clients(), source, target).unwrap();
        let (_server, client) = stage.service(target);
        assert_eq!(udp::ask(&client, b"direct").unwrap(), b"direct");
    }
    let figures = unwrapper.stop().unwrap();
    assert_eq!(figures["forwards"]["decapsulated"], 0, "{figures}");
}

/// A service address that is added later is served from then on; one that is removed is not.
#[test]
fn addresses_come_and_go() {
    let stage = Stage::new();
    let mut unwrapper = stage.unwrapper(&FROM_BALANCER);
    for (address, prefix) in [("10.77.0.30", 32), ("fd77::30", 128)] {
        let address: IpAddr = address.parse().unwrap();
        let outer = family(address);
        stage.backend().ip_batch(&format!("address add {address}/{prefix} dev lo\n")).unwrap();
        let (_server, client) = stage.service(address);
        let start = Instant::now();
        loop {
            stage.forward(Tunnel::Gue(1), outer, &client, b"new here");
            if answer(&client, SHORT).is_some() {
                break;
            }
            assert!(start.elapsed() < PATIENCE, "{}", unwrapper.log());
        }
        stage.backend().ip_batch(&format!("address del {address}/{prefix} dev lo\n")).unwrap();
        let start = Instant::now();
        while unwrapper.log().lines().last().unwrap().contains(&address.to_string()) {
            assert!(start.elapsed() < PATIENCE, "{}", unwrapper.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
    let (_server, client) = stage.service(plan::dsr_vip(Family::V4));
    stage.forward(Tunnel::Gue(1), Family::V4, &client, b"still here");
    assert_eq!(answer(&client, PATIENCE).as_deref(), Some(&b"still here"[..]));

    // The interface goes, and nothing is left to do.
    stage.backend().ip_batch("link del eth0\n").unwrap();
    assert_eq!(unwrapper.wait().unwrap().code(), Some(1));
    assert!(unwrapper.log().contains("there is no interface eth0"), "{}", unwrapper.log());
}

/// What is given takes the place of the host's addresses.
#[test]
fn given_ends_and_destinations() {
    let stage = Stage::new();
    let vip = plan::dsr_vip(Family::V4).to_string();
    let options = [&FROM_BALANCER[..], &["--to", &vip, "--to", "fd77:2::1", "--inner", "fd77::20"]].concat();
    let mut unwrapper = stage.unwrapper(&options);
    let (_server, client) = stage.service(plan::dsr_vip(Family::V6));
    stage.forward(Tunnel::Ipip, Family::V6, &client, b"for me");
    assert_eq!(answer(&client, PATIENCE).as_deref(), Some(&b"for me"[..]));
    let (_server, client) = stage.service(plan::dsr_vip(Family::V4));
    stage.forward(Tunnel::Ipip, Family::V6, &client, b"not served");
    unwrapper.wait_for_count("drops", "inner_not_local", 1).unwrap();
    let before = unwrapper.stop().unwrap()["forwards"]["decapsulated"].clone();
    assert_eq!(before, 1);
}

/// Runs it by way of `wrapper`, and returns what it says when it gives up. It must.
fn refusal(namespace: &Netns, wrapper: &[&str], options: &[&str]) -> String {
    let real = command(options);
    let mut command = Command::new("timeout");
    command.arg("20").args(wrapper).arg(real.get_program()).args(real.get_args());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = namespace.spawn(&mut command).unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "expected `{word}` in:\n{said}");
    }
}

#[test]
fn what_cannot_work_is_said() {
    let stage = Stage::new();
    let refused = |wrapper: &[&str], options: &[&str], words: &[&str]| {
        let options = [options, &FROM_BALANCER].concat();
        assert_says(&refusal(stage.backend(), wrapper, &options), words);
    };
    // Still root by name, so that every file can be read.
    let powerless = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"];
    refused(&powerless, &[], &["CAP_BPF", "CAP_NET_ADMIN"]);
    {
        let _other = stage.backend().run(|| attach_pass(nix::net::if_::if_nametoindex("eth0")?)).unwrap();
        refused(&[], &[], &["another XDP program is on eth0"]);
    }
    // No interface of a name is as the lab's: this one is gone.
    stage.backend().ip_batch("link del eth0\n").unwrap();
    refused(&[], &[], &["there is no interface eth0"]);
    stage.backend().ip_batch("link add eth0 type bridge\n").unwrap();
    refused(&[], &["--mode", "driver"], &["the driver of eth0 has no XDP", "`auto`"]);
}
