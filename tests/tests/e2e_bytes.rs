//! What goes in comes out, byte for byte: large transfers and datagrams of every size, in every forwarding mode.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use etherparse::{Ipv4Header, UdpHeader};
use lb_user::lab::{
    Family, Lab, Netns, Size, Way,
    config::{Config, Service},
    plan,
};
use limpet_tests::{
    Bed,
    bed::lone_backend,
    raw,
    transfer::{self, Nginx, RandomFile},
    udp::{self, UdpServer},
};

const SIZE: Size = Size { clients: 1, backends: 2 };

/// Largest datagram that fits a packet of 1,500 bytes.
fn largest(family: Family) -> usize {
    match family {
        Family::V4 => 1472,
        Family::V6 => 1452,
    }
}

/// The namespace of the way's one backend.
fn namespace(bed: &Bed, way: Way) -> &Netns {
    &bed.lab.backends()[usize::from(lone_backend(way))]
}

async fn bed(protocol: &'static str) -> Bed {
    bed_in_mode(protocol, "auto").await
}

async fn bed_in_mode(protocol: &'static str, mode: &'static str) -> Bed {
    let lab = Lab::new(SIZE).unwrap();
    lab.answer_through_balancer(1).unwrap();
    let service =
        |way: Way| Service { protocol, backend: vec![way.backend(lone_backend(way))], ..way.service(0) };
    let mut config = Config::new(Way::all().map(service).collect());
    config.interface.mode = mode;
    Bed::in_lab(lab, Vec::new(), &config).await.unwrap()
}

/// Down and up, in all ways.
fn transfer_files(bed: &Bed, size: u64) {
    let file = RandomFile::new(size).unwrap();
    let servers = Nginx::on_backends(&bed.lab, &file).unwrap();
    for way in Way::all() {
        let (source, target) = (plan::client(way.family, 0), way.target());
        transfer::down(bed.lab.clients(), source, target, &file).unwrap();
        let server = &servers[usize::from(lone_backend(way))];
        transfer::up(bed.lab.clients(), source, target, &file, server).unwrap();
    }
}

#[tokio::test]
async fn large_files_arrive_whole() {
    let bed = bed("tcp").await;
    assert_eq!(bed.daemon.status().unwrap().interfaces[0].mode, "driver");
    transfer_files(&bed, 200 << 20);
}

/// The slow path for interfaces whose driver knows no XDP.
#[tokio::test]
async fn files_arrive_whole_in_generic_mode() {
    let bed = bed_in_mode("tcp", "generic").await;
    assert_eq!(bed.daemon.status().unwrap().interfaces[0].mode, "generic");
    transfer_files(&bed, 20 << 20);
}

#[tokio::test]
async fn datagrams_of_every_size_come_back() {
    let bed = bed("udp").await;
    for way in Way::all() {
        let (_server, socket) = echo(&bed, way);
        for size in 0..=largest(way.family) {
            let datagram: Vec<u8> = (0..size).map(|at| (at * 31 + size) as u8).collect();
            let answer =
                udp::ask(&socket, &datagram).unwrap_or_else(|error| panic!("{way:?}, {size} bytes: {error}"));
            assert_eq!(answer, datagram, "{way:?}, {size} bytes");
        }
    }
}

/// One word of the data takes all 65,536 values, so the checksum does as well, before and after it is updated: 0x0000 and
/// 0xffff are among them each time. The receiving kernels verify it.
#[tokio::test]
async fn every_checksum_survives() {
    let bed = bed("udp").await;
    for way in Way::all() {
        let (_server, socket) = echo(&bed, way);
        // An odd length: the last byte is padded with zero in the sum.
        let mut datagram = *b"..odd";
        for word in 0..=u16::MAX {
            datagram[..2].copy_from_slice(&word.to_be_bytes());
            let answer =
                udp::ask(&socket, &datagram).unwrap_or_else(|error| panic!("{way:?}, {word:#06x}: {error}"));
            assert_eq!(answer, datagram, "{way:?}");
        }
    }
}

/// A UDP checksum of zero says that there is none (IPv4 only), and must stay zero.
#[tokio::test]
async fn an_absent_checksum_stays_absent() {
    let bed = bed("udp").await;
    for way in Way::all().filter(|way| way.family == Family::V4) {
        let (_server, socket) = echo(&bed, way);
        let IpAddr::V4(target) = way.target().ip() else { unreachable!("filtered above") };
        let mut observer = raw::Observer::new(namespace(&bed, way), UDP).unwrap();
        for data in [&b"even"[..], b"odd", b""] {
            raw::send_ipv4(bed.lab.clients(), target, &with_checksum(&socket, data, |_| 0)).unwrap();
            let mut answer = [0; 16];
            let length = socket.recv(&mut answer).unwrap_or_else(|error| panic!("{way:?}: {error}"));
            assert_eq!(&answer[..length], data, "{way:?}");
            let seen = observer.wait_for(data).unwrap();
            let (header, _) = UdpHeader::from_slice(&seen[Ipv4Header::MIN_LEN..]).unwrap();
            assert_eq!(header.checksum, 0, "{way:?}");
        }
    }
}

/// What the tests above rest on: a wrong checksum is still wrong at the backend, whose kernel then drops the datagram.
#[tokio::test]
async fn a_wrong_checksum_stays_wrong() {
    let bed = bed("udp").await;
    for way in Way::all().filter(|way| way.family == Family::V4) {
        let (_server, socket) = echo(&bed, way);
        let IpAddr::V4(target) = way.target().ip() else { unreachable!("filtered above") };
        let mut observer = raw::Observer::new(namespace(&bed, way), UDP).unwrap();
        let wrong = with_checksum(&socket, b"wrong", |right| right ^ 0x0100);
        raw::send_ipv4(bed.lab.clients(), target, &wrong).unwrap();
        observer.wait_for(b"wrong").unwrap_or_else(|error| panic!("{way:?}: {error}"));
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let answer = socket.recv(&mut [0; 16]);
        assert!(answer.is_err(), "{way:?}: {answer:?}");
    }
}

const UDP: u8 = 17;

fn echo(bed: &Bed, way: Way) -> (UdpServer, UdpSocket) {
    let server = UdpServer::echo(namespace(bed, way), way.called(lone_backend(way))).unwrap();
    let socket = udp::client(bed.lab.clients(), plan::client(way.family, 0), way.target()).unwrap();
    (server, socket)
}

/// The packet that `socket` would send, with what `change` makes of the right checksum.
fn with_checksum(socket: &UdpSocket, data: &[u8], change: impl FnOnce(u16) -> u16) -> Vec<u8> {
    let (SocketAddr::V4(source), SocketAddr::V4(target)) =
        (socket.local_addr().unwrap(), socket.peer_addr().unwrap())
    else {
        unreachable!("IPv6 knows no absent checksum")
    };
    let [source_ip, target_ip] = [source.ip(), target.ip()].map(Ipv4Addr::octets);
    let mut packet = Vec::new();
    etherparse::PacketBuilder::ipv4(source_ip, target_ip, 64)
        .udp(source.port(), target.port())
        .write(&mut packet, data)
        .unwrap();
    let field = Ipv4Header::MIN_LEN + 6..Ipv4Header::MIN_LEN + 8;
    let right = u16::from_be_bytes([packet[field.start], packet[field.start + 1]]);
    packet[field].copy_from_slice(&change(right).to_be_bytes());
    packet
}
