//! One binding over tiers: a service of HTTP and one of packets in a group.

use std::net::SocketAddr;

use lb_user::lab::{
    Family,
    config::{Persistence, Service},
    plan,
};
use limpet_tests::http::{
    Answer, Scene, User,
    scene::{PORT, shop_by, target},
};

const USERS: u32 = 30;

fn group() -> Vec<Service> {
    let by = |by| Persistence { group: Some("shop"), ..Persistence::by(by) };
    let packets = Service::new("packets", "nat", packets(), 3, PORT);
    vec![
        shop_by(3, by("cookie")),
        Service { persistence: by("client-ip"), health: shop_by(3, by("cookie")).health, ..packets },
    ]
}

/// The service of packets.
fn packets() -> SocketAddr {
    (plan::vip(Family::V4), 8000).into()
}

/// Without a move in between.
async fn all_ask(scene: &Scene, users: &mut [User], at: SocketAddr) -> Vec<Answer> {
    let mut answers = Vec::new();
    for user in users {
        answers.push(user.asks(&scene.bed.clients, at, "/").await);
    }
    answers
}

fn servers(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(Answer::server).collect()
}

#[tokio::test]
async fn a_known_client_brings_its_address_along() {
    let scene = Scene::new(3, group()).await;
    // By packets first: the cookie begins where the address is.
    let mut users = User::many(USERS);
    let homes = servers(&all_ask(&scene, &mut users, packets()).await);
    let answers = all_ask(&scene, &mut users, target()).await;
    assert_eq!(servers(&answers), homes, "a new cookie starts from the pin");
    assert!(answers.iter().all(|answer| answer.sets("LIMPET").is_some()), "{answers:?}");
    // From elsewhere, the cookie still leads there.
    assert_eq!(scene.homes(&mut users).await, homes);

    // By HTTP first: the address follows the cookie.
    let mut users: Vec<_> = (100..100 + USERS).map(User::new).collect();
    let homes = servers(&all_ask(&scene, &mut users, target()).await);
    assert_eq!(servers(&all_ask(&scene, &mut users, packets()).await), homes, "the address follows");
}

/// A client that is known by its cookie takes the pin of an address along that was somewhere else.
#[tokio::test]
async fn a_cookie_goes_before_an_address() {
    let short = |service: Service| {
        let persistence = Persistence { idle_timeout: Some("8s"), ..service.persistence.clone() };
        Service { persistence, ..service }
    };
    let scene = Scene::new(3, group().into_iter().map(short).collect()).await;
    let mut users = User::many(USERS);
    let homes = servers(&all_ask(&scene, &mut users, target()).await);
    // Somebody else has been where the users are now.
    users.iter_mut().for_each(User::moves);
    let before = servers(&all_ask(&scene, &mut users.clone(), packets()).await);
    assert_ne!(before, homes);
    // The pin moves along when the cookie is written anew: after an eighth of the idle timeout.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let answers = all_ask(&scene, &mut users, target()).await;
    assert_eq!(servers(&answers), homes);
    assert!(answers.iter().all(|answer| answer.sets("LIMPET").is_some()), "{answers:?}");
    assert_eq!(servers(&all_ask(&scene, &mut users, packets()).await), homes, "the pin comes along");
}
