//! Datagrams that are larger than a packet.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use lb_user::lab::{
    Lab, Mode, Size, Way,
    config::{Config, Persistence, Service},
    plan,
};
use limpet_tests::{
    Bed,
    packets::table::{Datagram, End, Port, Site, Transport},
    raw,
    udp::{self, UdpServer},
};

/// One way's service, alone at its address, with one backend.
async fn bed(way: Way, by: &'static str) -> Bed {
    let lab = Lab::new(Size { clients: 1, backends: 1 }).unwrap();
    if way.mode == Mode::NatPreservingClient {
        lab.answer_through_balancer(0).unwrap();
    }
    let service = Service { protocol: "udp", persistence: Persistence::by(by), ..way.service(1) };
    Bed::in_lab(lab, Vec::new(), &Config::new(vec![service])).await.unwrap()
}

fn echo(bed: &Bed, way: Way) -> (UdpServer, UdpSocket) {
    let server = UdpServer::echo(&bed.lab.backends()[0], way.called(0)).unwrap();
    (server, udp::client(bed.lab.clients(), plan::client(way.family, 0), way.target()).unwrap())
}

fn drops(bed: &Bed) -> u64 {
    bed.daemon.status().unwrap().drops.values().sum()
}

/// The kernels at both ends cut them, and put them together again.
#[tokio::test]
async fn large_datagrams_come_back() {
    for way in Way::all() {
        let bed = bed(way, "connection").await;
        let (_server, socket) = echo(&bed, way);
        for size in [1472, 1473, 1481, 2961, 8000, 40_000] {
            let datagram: Vec<u8> = (0..size).map(|at| (at * 31 + size) as u8).collect();
            let answer =
                udp::ask(&socket, &datagram).unwrap_or_else(|error| panic!("{way:?}, {size} bytes: {error}"));
            assert!(answer == datagram, "{way:?}, {size} bytes");
        }
        assert_eq!(drops(&bed), 0, "{way:?}");
    }
}

/// The last fragment first. Where only the first could say where to, they are lost, and counted.
#[tokio::test]
async fn fragments_may_come_in_any_order() {
    for way in Way::all() {
        for by in ["client-ip", "connection"] {
            let bed = bed(way, by).await;
            let (_server, socket) = echo(&bed, way);
            let datagram: Vec<u8> = (0..8000).map(|at: u32| (at * 31) as u8).collect();
            let mut pieces = whole(&socket, &datagram).cut(0x5157, 1400);
            pieces.reverse();
            for piece in &pieces {
                raw::send(bed.lab.clients(), way.target().ip(), &piece.build(&[])[14..]).unwrap();
            }
            let mut answer = vec![0; 65_536];
            let arrived = socket.recv(&mut answer);
            if by == "client-ip" {
                let length = arrived.unwrap_or_else(|error| panic!("{way:?}: {error}"));
                assert!(answer[..length] == datagram, "{way:?}");
                assert_eq!(drops(&bed), 0, "{way:?}");
            } else {
                assert!(arrived.is_err(), "{way:?}: {arrived:?}");
                let drops = bed.daemon.status().unwrap().drops;
                assert_eq!(drops["fragment_orphan"], pieces.len() as u64 - 1, "{way:?}");
            }
        }
    }
}

/// The packet that `socket` would send.
fn whole(socket: &UdpSocket, data: &[u8]) -> Datagram {
    let end = |address: SocketAddr| End { address: address.ip(), port: Port::Is(address.port()) };
    let family = match socket.local_addr().unwrap().ip() {
        IpAddr::V4(_) => limpet_tests::packets::table::Family::V4,
        IpAddr::V6(_) => limpet_tests::packets::table::Family::V6,
    };
    Datagram {
        source: end(socket.local_addr().unwrap()),
        destination: end(socket.peer_addr().unwrap()),
        transport: Transport::Udp,
        ..Site::new(family, true, lb_common::state::Forwarding::Nat).conn(0).data().carrying(data)
    }
}
