//! Real traffic in VLANs: clients and backends that tag, a balancer whose kernel knows nothing of it.

use std::process::Command;

use lb_user::lab::{
    BACKEND_PORTS, Family, Lab, Netns, Size, Way,
    config::{Config, Service},
    plan,
};
use limpet_tests::{
    Bed,
    tagger::Tagger,
    transfer::{self, Nginx, RandomFile},
    udp::{self, UdpServer},
};

const FILE: u64 = 1 << 20;
/// Number of the client, and index of the backend, that tag.
const TAGGED: u8 = 100;
const TAGS: [&[u8]; 2] = [&[0x81, 0x00, 0x00, 0x07], &[0x88, 0xa8, 0x00, 0x64, 0x81, 0x00, 0x20, 0x07]];

/// A namespace on the switch, by a tagger.
fn join(lab: &Lab, role: &str, address: impl Fn(Family) -> std::net::IpAddr, tags: &[u8]) -> (Netns, Tagger) {
    let namespace = lab.namespace(role).unwrap();
    let tagger = Tagger::start(lab.switch(), role, &namespace, tags).unwrap();
    // Room for the tags within the 1,500 bytes of the switch: what XDP sends by a veth may be no longer, tags included.
    let lines = format!(
        "link set eth0 mtu 1400 up\naddress add {v4}/32 dev eth0\naddress add {v6}/128 dev eth0\n\
         route add 10.77.0.0/16 dev eth0\nroute add fd77::/16 dev eth0\n",
        v4 = address(Family::V4),
        v6 = address(Family::V6),
    );
    namespace.ip_batch(&lines).unwrap();
    (namespace, tagger)
}

#[tokio::test]
async fn tagged_traffic_is_balanced_and_keeps_its_tags() {
    for tags in TAGS {
        for protocol in ["udp", "tcp"] {
            run(tags, protocol).await;
        }
    }
}

async fn run(tags: &[u8], protocol: &'static str) {
    let lab = Lab::new(Size { clients: 1, backends: 1 }).unwrap();
    // As a card without that offload: the packet program sees the tags in the packet.
    let mut offload = Command::new("ethtool");
    offload.args(["-K", "balancer", "txvlan", "off", "tx-vlan-stag-hw-insert", "off"]);
    assert!(lab.switch().spawn(&mut offload).unwrap().wait().unwrap().success(), "ethtool");
    let (client, at_client) = join(&lab, "tagged-client", |family| plan::client(family, TAGGED), tags);
    let (backend, at_backend) = join(&lab, "tagged-server", |family| plan::backend(family, TAGGED), tags);
    backend.set_sysctl("net/ipv4/conf/all/arp_ignore", "1").unwrap();
    for family in Family::BOTH {
        backend.ip_batch(&format!("address add {} dev lo\n", plan::dsr_vip(family))).unwrap();
    }
    let service = |way: Way| Service { protocol, backend: vec![way.backend(TAGGED)], ..way.service(0) };
    let config = Config::new(Way::PLAIN.into_iter().map(service).collect());
    let bed = Bed::in_lab(lab, Vec::new(), &config).await.unwrap();

    let file = RandomFile::new(FILE).unwrap();
    let server = (protocol == "tcp").then(|| Nginx::start(&backend, &BACKEND_PORTS, &file).unwrap());
    for way in Way::PLAIN {
        let (source, target) = (plan::client(way.family, TAGGED), way.target());
        let before = (at_client.tagged(), at_backend.tagged());
        if let Some(server) = &server {
            transfer::down(&client, source, target, &file).unwrap();
            transfer::up(&client, source, target, &file, server).unwrap();
        } else {
            let _server = UdpServer::echo(&backend, way.called(TAGGED)).unwrap();
            let socket = udp::client(&client, source, target).unwrap();
            for size in [0, 1, 1000, 1352] {
                let datagram = vec![0x5a; size];
                assert_eq!(udp::ask(&socket, &datagram).unwrap(), datagram, "{way:?}, {size} bytes");
            }
        }
        assert!(at_client.tagged() > before.0 && at_backend.tagged() > before.1, "{way:?}");
    }
    assert_eq!(bed.daemon.status().unwrap().drops.values().sum::<u64>(), 0);
}
