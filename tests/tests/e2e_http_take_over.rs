//! One daemon takes the place of another: nobody is refused, and nobody's session is lost.

use std::time::{Duration, Instant};

use limpet_tests::{
    bed::PATIENCE,
    http::{
        Answer, Scene, User,
        scene::{shop, target},
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

    let slow = patient.await.unwrap().unwrap();
    assert!(slow.status.is_success(), "{slow:?}");
    let start = Instant::now();
    while old.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "the old one does not end:\n{}", scene.bed.daemon.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
