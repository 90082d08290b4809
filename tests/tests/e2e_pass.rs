//! What is not for a service passes, as if there were no balancer.

use std::{
    net::{IpAddr, SocketAddr},
    process::Command,
};

use etherparse::{IpNumber, Ipv4Header, Ipv4Options};
use lb_user::lab::{Family, Lab, Size, Way, client::get, config::Config, plan};
use limpet_tests::{
    Bed,
    raw::{self, Observer, ping},
    udp::{self, UdpServer},
};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A balancer with services in both families, and servers of its own in the balancer's namespace.
async fn bed() -> Bed {
    let [v4, v6, ..] = Way::PLAIN;
    Bed::new(Size { clients: 1, backends: 2 }, vec![v4.service(2), v6.service(2)]).await.unwrap()
}

/// The sum of all drops the daemon knows of.
fn drops(bed: &Bed) -> u64 {
    bed.daemon.status().unwrap().drops.values().sum()
}

#[tokio::test]
async fn address_resolution_and_pings_pass() {
    let bed = bed().await;
    let before = drops(&bed);
    for family in Family::BOTH {
        // Forget the neighbours, so that they have to be asked for again.
        bed.lab.clients().ip_batch("neigh flush dev eth0\n").unwrap();
        for target in [plan::balancer(family), plan::vip(family)] {
            ping(bed.lab.clients(), plan::client(family, 0), target)
                .unwrap_or_else(|error| panic!("{target}: {error}"));
        }
    }
    assert_eq!(drops(&bed), before);
    assert_eq!(bed.daemon.status().unwrap().forwards["echo_reply"], 0, "the kernel has answered");
}

/// Where routing brings the traffic, and the host does not have the services' addresses, the packet program answers.
#[tokio::test]
async fn pings_of_addresses_that_nobody_has_are_answered() {
    let [v4, v6, ..] = Way::PLAIN;
    let lab = Lab::new(Size { clients: 1, backends: 2 }).unwrap();
    for family in Family::BOTH {
        let (address, via) = (plan::vip(family), plan::balancer(family));
        lab.clients().ip_batch(&format!("route add {address} via {via} dev eth0\n")).unwrap();
    }
    let mut config = Config::new(vec![v4.service(2), v6.service(2)]);
    config.interface.claim = false;
    let bed = Bed::in_lab(lab, Vec::new(), &config).await.unwrap();
    for family in Family::BOTH {
        for target in [plan::vip(family), plan::balancer(family)] {
            for _ in 0..3 {
                ping(bed.lab.clients(), plan::client(family, 0), target)
                    .unwrap_or_else(|error| panic!("{target}: {error}"));
            }
        }
    }
    // Three each of the two service addresses; the host's own it answers itself.
    assert_eq!(bed.daemon.status().unwrap().forwards["echo_reply"], 6);
}

/// The host's own address on any port, and the virtual address on ports that are nobody's.
#[tokio::test]
async fn other_ports_reach_the_host() {
    let bed = bed().await;
    let mut server = bed
        .lab
        .balancer()
        .spawn(
            Command::new(limpet_tests::binary())
                .args(["demo", "--serve", "host", "22", "80", "8080"])
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped()),
        )
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut line)
        .unwrap();
    for family in Family::BOTH {
        let own = [22, 80, 8080].map(|port| SocketAddr::new(plan::balancer(family), port));
        let virtual_address = SocketAddr::new(plan::vip(family), 22);
        for target in own.into_iter().chain([virtual_address]) {
            let answer = bed.clients.spawn(get(plan::client(family, 0), target)).await.unwrap();
            assert_eq!(answer.unwrap_or_else(|error| panic!("{target}: {error:#}")), "host");
        }
        // Beside it, the service is served by its backends.
        let service = SocketAddr::new(plan::vip(family), 80);
        let answer = bed.clients.spawn(get(plan::client(family, 0), service)).await.unwrap().unwrap();
        assert!(answer.starts_with("backend-"), "{answer}");
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

/// The host talks to the world as well, through the same interface.
#[tokio::test]
async fn the_hosts_own_connections_work() {
    let bed = bed().await;
    let host = lb_user::lab::client::Tasks::inside(bed.lab.balancer()).unwrap();
    for family in Family::BOTH {
        let target = SocketAddr::new(plan::backend(family, 0), 8080);
        let answer = host.spawn(get(plan::balancer(family), target)).await.unwrap().unwrap();
        assert_eq!(answer, "backend-1");
    }
}

#[tokio::test]
async fn fragments_to_the_host_pass() {
    let bed = bed().await;
    let before = drops(&bed);
    for family in Family::BOTH {
        let target = SocketAddr::new(plan::balancer(family), 5353);
        let _server = UdpServer::echo(bed.lab.balancer(), target).unwrap();
        let socket = udp::client(bed.lab.clients(), plan::client(family, 0), target).unwrap();
        let datagram = vec![7; 4000];
        assert_eq!(udp::ask(&socket, &datagram).unwrap(), datagram, "{family:?}");
    }
    assert_eq!(drops(&bed), before);
}

/// IP options, TCP and UDP headers cut short, protocols the balancer has never heard of: all of it to the host.
#[tokio::test]
async fn odd_packets_to_the_host_arrive_untouched() {
    let bed = bed().await;
    let before = drops(&bed);
    let record_route = [7, 7, 4, 0, 0, 0, 0, 0];
    let cases: [(&str, u8, &[u8], &[u8]); 6] = [
        ("options", UDP, &record_route, b"\x12\x34\x14\xe9\x00\x0b\x00\x00abc"),
        ("a cut TCP header", TCP, &[], b"\x12\x34\x00\x50\x01"),
        ("an empty TCP packet", TCP, &[], b""),
        ("a cut UDP header", UDP, &[], b"\x12\x34\x00"),
        ("a UDP length beyond the packet", UDP, &[], b"\x12\x34\x14\xe9\xff\xff\x00\x00ab"),
        ("an unknown protocol", 253, &[], b"limpet"),
    ];
    let [IpAddr::V4(source), IpAddr::V4(target)] = [plan::client(Family::V4, 0), plan::balancer(Family::V4)]
    else {
        unreachable!("IPv4 was asked for")
    };
    for (case, protocol, options, payload) in cases {
        let mut header = Ipv4Header::new(
            u16::try_from(payload.len()).unwrap(),
            64,
            IpNumber(protocol),
            source.octets(),
            target.octets(),
        )
        .unwrap();
        header.options = Ipv4Options::try_from(options).unwrap();
        let mut packet = Vec::new();
        header.write(&mut packet).unwrap();
        packet.extend_from_slice(payload);
        let mut observer = Observer::new(bed.lab.balancer(), protocol).unwrap();
        raw::send_ipv4(bed.lab.clients(), target, &packet).unwrap();
        let arrived = observer.wait_for(payload).unwrap_or_else(|error| panic!("{case}: {error}"));
        let length = header.header_len();
        assert_eq!(arrived[length..], *payload, "{case}");
        assert_eq!(arrived[8], 64, "{case}: the time to live is as it was sent");
    }
    assert_eq!(drops(&bed), before);
}
