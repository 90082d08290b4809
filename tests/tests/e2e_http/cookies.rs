//! Cookies that carry sessions: who understands them, and who does not.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use lb_user::lab::{backend_name, config::Persistence};
use limpet_tests::http::{
    Answer, Scene, User,
    keys::{self, KEYS},
    scene::{lab, shop, shop_by, stall, target},
};
use serde_json::Value;
use tokio::time::sleep;

const USERS: u32 = 30;
/// Of Limpet's own cookie.
const NAME: &str = "LIMPET";

async fn with_keys(keys: &[&str]) -> Scene {
    let lab = lab(3);
    keys::write(&lab, keys);
    Scene::in_lab(lab, vec![shop_by(3, keys::cookie())]).await
}

fn rotate(scene: &Scene, keys: &[&str]) {
    keys::write(&scene.bed.lab, keys);
    scene.reload(vec![shop_by(3, keys::cookie())]);
}

/// All are understood: they are at home, and need no other cookie.
async fn understood(scene: &Scene, users: &mut [User], homes: &[String]) {
    for (answer, home) in scene.all_ask(users, "/").await.iter().zip(homes) {
        assert_eq!(answer.server(), *home);
        assert_eq!(answer.sets(NAME), None);
    }
}

/// None is: all are served afresh, with another cookie, which is good from then on.
async fn ignored(scene: &Scene, users: &mut [User], homes: &[String]) {
    let answers = scene.all_ask(users, "/").await;
    for answer in &answers {
        assert!(answer.status.is_success() && answer.sets(NAME).is_some(), "{answer:?}");
    }
    let now: Vec<_> = answers.iter().map(Answer::server).collect();
    assert_ne!(now, homes, "nobody knows where they were");
    assert_eq!(now.iter().collect::<BTreeSet<_>>().len(), 3, "and they are spread as others are: {now:?}");
    understood(scene, users, &now).await;
}

#[tokio::test]
async fn keys_are_replaced_and_shared_between_nodes() {
    let node = with_keys(&KEYS[..1]).await;
    let mut users = User::many(USERS);
    let homes = node.homes(&mut users).await;
    rotate(&node, &[KEYS[1], KEYS[0]]);
    understood(&node, &mut users, &homes).await;
    let mut late: Vec<_> = (100..100 + USERS).map(User::new).collect();
    let late_homes = node.homes(&mut late).await;

    // Another node, where nobody was before: it has the addresses of this one, in a network of its own.
    let other = with_keys(&[KEYS[2], KEYS[1]]).await;
    understood(&other, &mut late, &late_homes).await;
    ignored(&other, &mut users.clone(), &homes).await;
    rotate(&other, &[KEYS[0], KEYS[1]]);
    understood(&other, &mut users, &homes).await;

    rotate(&node, &[KEYS[1]]);
    understood(&node, &mut late, &late_homes).await;
    ignored(&node, &mut users, &homes).await;
}

#[tokio::test]
async fn keys_of_the_daemon_are_as_old_as_its_directory() {
    let mut node = Scene::new(3, vec![shop(3)]).await;
    let mut users = User::many(USERS);
    let homes = node.homes(&mut users).await;
    let file = node.bed.lab.directory().join("state/cookie.keys");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    node.bed.daemon.stop().unwrap();
    node.bed.daemon.start_again().unwrap();
    node.until_all_up().await;
    understood(&node, &mut users, &homes).await;
    node.bed.daemon.stop().unwrap();
    fs::remove_file(&file).unwrap();
    node.bed.daemon.start_again().unwrap();
    node.until_all_up().await;
    ignored(&node, &mut users, &homes).await;
    // What it has once read it does not need the file for.
    let homes = node.homes(&mut users).await;
    fs::remove_file(&file).unwrap();
    node.reload(vec![shop(3)]);
    understood(&node, &mut users, &homes).await;
}

#[tokio::test]
async fn forged_and_foreign_cookies_are_nobodys() {
    let lab = lab(3);
    keys::write(&lab, &KEYS[..1]);
    let services = vec![shop_by(3, keys::cookie()), stall("bar", 81, 3, keys::cookie())];
    let scene = Scene::in_lab(lab, services).await;
    let mut users = User::many(USERS);
    let homes = scene.homes(&mut users).await;

    let bar = (target().ip(), 81).into();
    let mut guests = users.clone();
    for guest in &mut guests {
        let answer = guest.asks(&scene.bed.clients, bar, "/").await;
        assert!(answer.status.is_success() && answer.sets(NAME).is_some(), "{answer:?}");
    }
    ignored(&scene, &mut guests, &homes).await;

    let token = users[0].jar[NAME].clone();
    let flipped = (0..token.len()).map(|at| {
        let mut bytes = token.clone().into_bytes();
        // Another character of the same alphabet.
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    });
    let others =
        [String::new(), token[1..].to_owned(), format!("{token}A"), "A".repeat(8000), "\"".to_owned()];
    let mut forgers: Vec<_> = flipped
        .chain(others)
        .zip(200..)
        .map(|(value, number)| {
            let mut user = User::new(number);
            user.jar.insert(NAME.to_owned(), value);
            user
        })
        .collect();
    for (answer, user) in scene.all_ask(&mut forgers.clone(), "/").await.iter().zip(&forgers) {
        assert!(answer.status.is_success() && answer.sets(NAME).is_some(), "{user:?}: {answer:?}");
        assert_eq!(answer.report()["headers"]["cookie"], serde_json::Value::Null, "it is not passed on");
    }
    ignored(&scene, &mut forgers, &vec![homes[0].clone(); token.len() + 5]).await;
    understood(&scene, &mut users, &homes).await;
}

#[tokio::test]
async fn what_has_ended_is_counted_and_served_afresh() {
    const IDLE: Duration = Duration::from_secs(2);
    let short =
        Persistence { idle_timeout: Some("2s"), max_lifetime: Some("4s"), ..Persistence::by("cookie") };
    let scene = Scene::new(3, vec![shop_by(3, short)]).await;
    let counts = |state: &str| {
        let status: Value = scene.bed.daemon.ask(&["status", "--json"]).unwrap();
        status["services"][0]["http"]["cookies"][state].as_u64().unwrap()
    };
    let mut users = User::many(USERS);
    let homes = scene.homes(&mut users).await;
    let victim = backend_name(0);
    scene.order("remove", 0);
    ignored_of(&victim, &scene.all_ask(&mut users, "/").await, &homes);
    assert_eq!(counts("unknown"), homes.iter().filter(|home| **home == victim).count() as u64);

    // Used again and again, until even that does not help. Where the machine is slow some come too late, and begin anew.
    let deadline = Instant::now() + Duration::from_secs(60);
    while counts("lifetime") < u64::from(USERS) {
        assert!(Instant::now() < deadline, "{} have ended by their lifetime", counts("lifetime"));
        scene.all_ask(&mut users, "/").await;
        sleep(IDLE / 4).await;
    }
    let before = counts("idle");
    sleep(IDLE + Duration::from_secs(1)).await;
    let answers = scene.all_ask(&mut users, "/").await;
    assert!(answers.iter().all(|answer| answer.sets(NAME).is_some()));
    assert!(counts("idle") >= before + u64::from(USERS));
}

/// Those of a server that is gone have another, and a cookie that says so.
fn ignored_of(victim: &str, answers: &[Answer], homes: &[String]) {
    for (answer, home) in answers.iter().zip(homes) {
        assert_eq!(answer.server() != *home, home == victim, "{answer:?}");
        assert!(home != victim || answer.sets(NAME).is_some(), "{answer:?}");
    }
}
