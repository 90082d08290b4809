//! One daemon takes the place of another: nobody is refused, and nobody's session is lost.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lb_user::lab::{
    config::{Config, Persistence},
    daemon::{arguments, write_configuration},
};
use limpet_tests::{
    bed::{PATIENCE, binary},
    http::{
        Answer, Scene, User,
        scene::{shop, stall, target},
        socket::Socket,
        user::all_ask,
    },
};

const USERS: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_new_daemon_takes_the_place_of_the_old_one() {
    let mut scene = Scene::new(3, vec![shop(3)]).await;
    let mut users = User::many(USERS);
    let homes = scene.homes(&mut users).await;
    // An answer that is under way all the while.
    let patient = scene.bed.clients.spawn({
        let user = User::new(500);
        async move {
            limpet_tests::http::user::ask(user.address(), target(), user.request(target(), "/slow")).await
        }
    });
    let (mut socket, server) = Socket::open(&mut User::new(600), &scene.bed.clients, target()).await;
    let first = scene.bed.daemon.pid();

    let daemon = &mut scene.bed.daemon;
    let clients = &scene.bed.clients;
    let (taken, rounds) = std::thread::scope(|scope| {
        let taken = scope.spawn(|| daemon.take_over());
        let mut rounds = Vec::new();
        while !taken.is_finished() {
            rounds.push(tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(all_ask(&mut users, clients, target(), "/"))
            }));
        }
        (taken.join().unwrap(), rounds)
    });
    let mut old = taken.unwrap();
    assert_ne!(scene.bed.daemon.pid(), first);
    assert!(rounds.len() > 2, "{} rounds meanwhile", rounds.len());
    for answers in &rounds {
        assert_eq!(answers.iter().map(Answer::server).collect::<Vec<_>>(), homes);
    }
    assert_eq!(scene.homes(&mut users).await, homes, "with the new one alone");

    assert_eq!(socket.server().await.unwrap(), server, "by the old one");
    drop(socket);
    let slow = patient.await.unwrap().unwrap();
    assert!(slow.status.is_success(), "{slow:?}");
    let start = Instant::now();
    while old.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "the old one does not end:\n{}", scene.bed.daemon.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_old_daemon_goes_on_if_the_new_one_fails() {
    const TAKEN: u16 = 99;
    let scene = Scene::new(3, vec![shop(3)]).await;
    let mut users = User::many(USERS);
    let homes = scene.homes(&mut users).await;
    let (mut socket, server) = Socket::open(&mut users[0], &scene.bed.clients, target()).await;

    // Another program has what the new one wants.
    let lab = &scene.bed.lab;
    let _other = lab.balancer().run(|| TcpListener::bind(SocketAddr::new(target().ip(), TAKEN))).unwrap();
    let wanted = vec![shop(3), stall("other", TAKEN, 3, Persistence::by("cookie"))];
    write_configuration(lab, &Config::new(wanted).to_string()).unwrap();
    let mut new = Command::new(binary());
    new.args(arguments(lab)).arg("--take-over").stdout(Stdio::null()).stderr(Stdio::piped());
    let ended = lab.balancer().spawn(&mut new).unwrap().wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && said.contains("other: cannot listen at 10.77.0.10:99"), "{said}");

    assert_eq!(scene.homes(&mut users).await, homes);
    assert_eq!(socket.server().await.unwrap(), server);
    assert!(scene.asks(&mut User::new(700), "/").await.status.is_success());
}
