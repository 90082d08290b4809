//! Who is new goes where fewer requests are open, if the service says so; who has a session stays with it.

use std::net::SocketAddr;

use lb_user::lab::{
    Status, backend_name,
    config::{Persistence, Service},
};
use limpet_tests::{
    bed::PATIENCE,
    http::{
        Answer, Scene, User,
        scene::{lab, shop, stall, target},
        socket::Socket,
        user::all_ask,
    },
};

const USERS: u32 = 90;
/// Open at the first and the second backend; nothing is at the third.
const OPEN: [usize; 2] = [16, 10];
const STRANGERS: u32 = 30;

/// Users whose sessions are at the first two backends open so many sockets there.
async fn burden(scene: &Scene, at: SocketAddr) -> Vec<Socket> {
    let mut users = User::many(USERS);
    let homes = all_ask(&mut users, &scene.bed.clients, at, "/").await;
    let mut wanted = OPEN;
    let mut sockets = Vec::new();
    for (mut user, home) in users.into_iter().zip(homes.iter().map(Answer::server)) {
        let Some(index) = (0..2).find(|&index| home == backend_name(index)) else { continue };
        let wanted = &mut wanted[usize::from(index)];
        if *wanted > 0 {
            let (socket, server) = Socket::open(&mut user, &scene.bed.clients, at).await;
            assert_eq!(server, home, "whatever is open there");
            sockets.push(socket);
            *wanted -= 1;
        }
    }
    assert_eq!(wanted, [0, 0]);
    sockets
}

/// How many of the strangers who come one by one each backend gets.
async fn strangers(scene: &Scene, at: SocketAddr, number: u32) -> [u32; 3] {
    let mut shares = [0; 3];
    for number in 0..number {
        let server = User::new(200 + number).asks(&scene.bed.clients, at, "/").await.server();
        let index = (0..3).find(|&index| server == backend_name(index)).unwrap_or_else(|| panic!("{server}"));
        shares[usize::from(index)] += 1;
    }
    shares
}

/// A few find only backends that are full where they look.
fn nearly_all(shares: [u32; 3], index: usize) {
    assert!(shares[index] >= STRANGERS - 6, "{shares:?}");
}

#[tokio::test]
async fn open_requests_are_a_load() {
    let bounded = Service { max_load: Some(110), ..shop(3) };
    let least = stall("least", 81, 3, Persistence::by("cookie"));
    let least = Service { scheduler: Some("least-sessions"), ..least };
    let mut scene = Scene::in_lab(lab(3), vec![bounded, least]).await;
    let (bounded, least) = (target(), SocketAddr::new(target().ip(), 81));

    // Of 26 in all, and the one that is to come, 110 per cent of a third are 10.
    let open = burden(&scene, bounded).await;
    nearly_all(strangers(&scene, bounded, STRANGERS).await, 2);
    let open_too = burden(&scene, least).await;
    // By hash each would get a third. Both candidates of a stranger are the first backend for one in nine.
    let shares = strangers(&scene, least, 150).await;
    assert!(shares[0] < 33, "{shares:?}");

    // Of those that are left, the half: 15.
    scene.kill(2).await;
    nearly_all(strangers(&scene, bounded, STRANGERS).await, 1);
    drop((open, open_too));
    let are_idle = |status: &Status| {
        status.services.iter().flat_map(|service| &service.backends).all(|backend| backend.flows == 0)
    };
    scene.bed.daemon.wait_for(PATIENCE, are_idle).await.unwrap();
    for at in [bounded, least] {
        let [one, other, _] = strangers(&scene, at, 40).await;
        assert!(one > 5 && other > 5, "{at}: {one} and {other}");
    }
}
