//! Several interfaces: a balancer with two arms, and clients whose packets change the way by which they come.

use std::time::Duration;

use lb_user::lab::{
    Family, Lab, Size, Way,
    config::{Config, Nat, Service},
    plan,
};
use limpet_tests::{
    Bed,
    bed::lone_backend,
    transfer::{self, Download, Nginx, RandomFile},
};

const SIZE: Size = Size { clients: 1, backends: 2 };

/// Clients on `eth0`, backends on `eth1`, and answers of `dsr` past the balancer.
async fn bed(mode: &'static str) -> Bed {
    let mut lab = Lab::new(SIZE).unwrap();
    lab.add_second_arm().unwrap();
    lab.answer_through_second_leg(1).unwrap();
    let service = |way: Way| Service { backend: vec![way.backend(lone_backend(way))], ..way.service(0) };
    let mut config = Config::new(Way::all().map(service).collect());
    config.interface.names = vec!["eth0".to_owned(), "eth1".to_owned()];
    config.interface.mode = mode;
    config.nat = Some(Nat { source: Family::BOTH.map(plan::second_leg).into(), ports: None });
    Bed::in_lab(lab, Vec::new(), &config).await.unwrap()
}

/// In by one interface and out by the other, in all ways.
async fn two_arms(mode: &'static str, got: &str) {
    let bed = bed(mode).await;
    let modes: Vec<_> =
        bed.daemon.status().unwrap().interfaces.into_iter().map(|it| (it.name, it.mode)).collect();
    assert_eq!(modes, [("eth0".to_owned(), got.to_owned()), ("eth1".to_owned(), got.to_owned())]);
    let file = RandomFile::new(20 << 20).unwrap();
    let servers = Nginx::on_backends(&bed.lab, &file).unwrap();
    for way in Way::all() {
        let (source, target) = (plan::client(way.family, 0), way.target());
        transfer::down(bed.lab.clients(), source, target, &file).unwrap();
        let server = &servers[usize::from(lone_backend(way))];
        transfer::up(bed.lab.clients(), source, target, &file, server).unwrap();
    }
    let status = bed.daemon.status().unwrap();
    let packets = |service: &lb_user::lab::status::Service| service.backends[0].packets;
    assert!(status.services.iter().all(|service| packets(service) > 1000), "{status:#?}");
}

#[tokio::test]
async fn two_arms_in_driver_mode() {
    two_arms("driver", "driver").await;
}

#[tokio::test]
async fn two_arms_in_generic_mode() {
    two_arms("generic", "generic").await;
}

#[tokio::test]
async fn two_arms_in_the_mode_that_there_is() {
    two_arms("auto", "driver").await;
}

/// In the middle of a download the client's packets come by the other interface, and the first way is cut: answers follow.
async fn a_route_changes(mode: &'static str) {
    let bed = bed(mode).await;
    let file = RandomFile::new(12 << 20).unwrap();
    let _servers = Nginx::on_backends(&bed.lab, &file).unwrap();
    for way in Way::all() {
        let (source, target) = (plan::client(way.family, 0), way.target());
        let mut download = Download::start(bed.lab.clients(), source, target, Some("4M")).unwrap();
        // A file that fits the sockets' buffers would arrive without the new way.
        tokio::time::sleep(Duration::from_millis(800)).await;
        bed.lab.take_second_way(target.ip()).unwrap();
        assert!(download.running().unwrap(), "{way:?}");
        assert_eq!(download.finish().unwrap(), file.sum, "{way:?}");
        // New connections come by the new way from the start.
        transfer::down(bed.lab.clients(), source, target, &file).unwrap();
        bed.lab.take_first_way(target.ip()).unwrap();
    }
    let drops: u64 = bed.daemon.status().unwrap().drops.values().sum();
    assert_eq!(drops, 0);
}

#[tokio::test]
async fn a_connection_survives_a_change_of_its_route() {
    a_route_changes("driver").await;
}

#[tokio::test]
async fn a_connection_survives_a_change_of_its_route_in_generic_mode() {
    a_route_changes("generic").await;
}
