//! What goes in comes out, byte for byte: large transfers and datagrams of every size, in every forwarding mode.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use etherparse::{Ipv4Header, UdpHeader};
use lb_user::lab::{
    Family, Lab, Size,
    config::{Backend, Config, Service},
    plan,
};
use limpet_tests::{
    Bed, raw,
    transfer::{Download, Nginx, RandomFile, upload},
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

/// One mode of forwarding, in one family.
#[derive(Debug, Clone, Copy)]
struct Way {
    forwarding: &'static str,
    preserve_client: bool,
    family: Family,
}

impl Way {
    fn all() -> impl Iterator<Item = Self> {
        [("nat", false), ("nat", true), ("dsr", false)].into_iter().flat_map(
            |(forwarding, preserve_client)| {
                Family::BOTH.map(|family| Self { forwarding, preserve_client, family })
            },
        )
    }

    /// `nat` changes the port on the way, `dsr` cannot.
    fn service(self, protocol: &'static str) -> Service {
        let name = format!("{}-{}-{:?}", self.forwarding, self.preserve_client, self.family);
        Service {
            protocol,
            preserve_client: self.preserve_client,
            backend: vec![Backend::new(self.family, self.backend_index(), self.backend().port())],
            ..Service::new(&name, self.forwarding, self.target(), 0, 0)
        }
    }

    fn target(self) -> SocketAddr {
        match (self.forwarding, self.preserve_client) {
            ("dsr", _) => SocketAddr::new(plan::dsr_vip(self.family), 80),
            (_, true) => SocketAddr::new(plan::vip(self.family), 81),
            (_, false) => SocketAddr::new(plan::vip(self.family), 80),
        }
    }

    /// The last backend answers through the balancer, the first directly.
    fn backend_index(self) -> u8 {
        u8::from(self.preserve_client)
    }

    /// Where the server listens.
    fn backend(self) -> SocketAddr {
        match self.forwarding {
            "dsr" => self.target(),
            _ => SocketAddr::new(plan::backend(self.family, self.backend_index()), 8080),
        }
    }
}

async fn bed(protocol: &'static str) -> Bed {
    bed_in_mode(protocol, "auto").await
}

async fn bed_in_mode(protocol: &'static str, mode: &'static str) -> Bed {
    let lab = Lab::new(SIZE).unwrap();
    lab.answer_through_balancer(1).unwrap();
    let mut config = Config::new(Way::all().map(|way| way.service(protocol)).collect());
    config.interface.mode = mode;
    Bed::in_lab(lab, Vec::new(), &config).await.unwrap()
}

/// Down and up, in all ways.
fn transfer(bed: &Bed, size: u64) {
    let file = RandomFile::new(size).unwrap();
    let servers: Vec<_> =
        bed.lab.backends().iter().map(|backend| Nginx::start(backend, &[8080, 80], &file).unwrap()).collect();
    for way in Way::all() {
        let source = plan::client(way.family, 0);
        let download = Download::start(bed.lab.clients(), source, way.target(), None).unwrap();
        assert_eq!(download.finish().unwrap(), file.sum, "download, {way:?}");
        upload(bed.lab.clients(), source, way.target(), &file.path(), "up").unwrap();
        let stored = servers[usize::from(way.backend_index())].take_stored("up").unwrap();
        assert_eq!(stored, file.sum, "upload, {way:?}");
    }
}

#[tokio::test]
async fn large_files_arrive_whole() {
    let bed = bed("tcp").await;
    assert_eq!(bed.daemon.status().unwrap().interfaces[0].mode, "driver");
    transfer(&bed, 200 << 20);
}

/// The slow path for interfaces whose driver knows no XDP.
#[tokio::test]
async fn files_arrive_whole_in_generic_mode() {
    let bed = bed_in_mode("tcp", "generic").await;
    assert_eq!(bed.daemon.status().unwrap().interfaces[0].mode, "generic");
    transfer(&bed, 20 << 20);
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
        let mut observer =
            raw::Observer::new(&bed.lab.backends()[usize::from(way.backend_index())], UDP).unwrap();
        for data in [&b"even"[..], b"odd", b""] {
            raw::send_ipv4(bed.lab.clients(), target, &without_checksum(&socket, data)).unwrap();
            let mut answer = [0; 16];
            let length = socket.recv(&mut answer).unwrap_or_else(|error| panic!("{way:?}: {error}"));
            assert_eq!(&answer[..length], data, "{way:?}");
            let seen = observer.wait_for(data).unwrap();
            let (header, _) = UdpHeader::from_slice(&seen[Ipv4Header::MIN_LEN..]).unwrap();
            assert_eq!(header.checksum, 0, "{way:?}");
        }
    }
}

const UDP: u8 = 17;

fn echo(bed: &Bed, way: Way) -> (UdpServer, UdpSocket) {
    let server =
        UdpServer::echo(&bed.lab.backends()[usize::from(way.backend_index())], way.backend()).unwrap();
    let socket = udp::client(bed.lab.clients(), plan::client(way.family, 0), way.target()).unwrap();
    (server, socket)
}

/// The packet that `socket` would send, with a checksum of zero.
fn without_checksum(socket: &UdpSocket, data: &[u8]) -> Vec<u8> {
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
    packet[Ipv4Header::MIN_LEN + 6..Ipv4Header::MIN_LEN + 8].fill(0);
    packet
}
