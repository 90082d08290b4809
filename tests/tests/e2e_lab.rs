//! The lab itself, without a balancer: everybody reaches whom they should, nobody else answers, nothing remains.

use std::{net::SocketAddr, path::Path, time::Duration};

use lb_user::lab::{
    Family, Lab, Size,
    client::{Tasks, get},
    plan,
};
use limpet_tests::{
    binary,
    raw::ping,
    transfer::{self, Nginx, RandomFile},
    udp,
};
use tokio::time::timeout;

const SIZE: Size = Size { clients: 3, backends: 2 };

#[tokio::test]
async fn clients_of_both_families_reach_backends() {
    let lab = Lab::new(SIZE).unwrap();
    let _server = lab.start_server(&binary(), 1).unwrap();
    let clients = Tasks::inside(lab.clients()).unwrap();
    for family in Family::BOTH {
        let target = SocketAddr::new(plan::backend(family, 1), 8080);
        let sources = [plan::client(family, 0), plan::client(family, 2), plan::crowd(family, 0x4_0103)];
        for source in sources {
            let answer = clients.spawn(get(source, target)).await.unwrap().unwrap();
            assert_eq!(answer, "backend-2", "from {source}");
        }
        ping(lab.clients(), plan::client(family, 1), plan::balancer(family)).unwrap();
    }
}

#[tokio::test]
async fn a_dead_server_refuses() {
    let lab = Lab::new(SIZE).unwrap();
    let server = lab.start_server(&binary(), 0).unwrap();
    drop(server);
    let clients = Tasks::inside(lab.clients()).unwrap();
    let target = SocketAddr::new(plan::backend(Family::V4, 0), 8080);
    let error = clients.spawn(get(plan::client(Family::V4, 0), target)).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

/// Backends hold the virtual address of `dsr` services, but the segment must not learn it from them.
#[tokio::test]
async fn backends_keep_quiet_about_the_virtual_address() {
    let lab = Lab::new(SIZE).unwrap();
    let _server = lab.start_server(&binary(), 0).unwrap();
    let clients = Tasks::inside(lab.clients()).unwrap();
    for family in Family::BOTH {
        let target = SocketAddr::new(plan::dsr_vip(family), 80);
        let request = clients.spawn(get(plan::client(family, 0), target));
        let answer = timeout(Duration::from_millis(500), request).await;
        assert!(answer.is_err(), "{target} answered: {answer:?}");
    }
}

#[test]
fn transfers_and_datagrams_work_without_a_balancer() {
    let lab = Lab::new(SIZE).unwrap();
    let file = RandomFile::new(3_000_000).unwrap();
    let nginx = Nginx::start(&lab.backends()[0], &[8080], &file).unwrap();
    for family in Family::BOTH {
        let (source, target) = (plan::client(family, 0), SocketAddr::new(plan::backend(family, 0), 8080));
        transfer::down(lab.clients(), source, target, &file).unwrap();
        transfer::up(lab.clients(), source, target, &file, &nginx).unwrap();

        let _echo = udp::UdpServer::echo(&lab.backends()[0], target).unwrap();
        let socket = udp::client(lab.clients(), source, target).unwrap();
        assert_eq!(udp::ask(&socket, b"hello").unwrap(), b"hello");
    }
}

#[test]
fn nothing_remains() {
    let lab = Lab::new(SIZE).unwrap();
    let server = lab.start_server(&binary(), 0).unwrap();
    let paths = [lab.clients(), lab.balancer(), &lab.backends()[0]].map(lb_user::lab::Netns::path);
    let directory = lab.directory();
    assert!(paths.iter().all(|path| path.exists()));
    drop(lab);
    assert!(!paths.iter().any(|path| path.exists()), "namespaces are removed");
    assert!(!directory.exists(), "files are removed");
    // Only its parent, this test, has not yet waited for it.
    let state =
        std::fs::read_to_string(Path::new("/proc").join(server.pid().to_string()).join("stat")).unwrap();
    assert!(state.contains(") Z "), "the server is dead: {state}");
}
