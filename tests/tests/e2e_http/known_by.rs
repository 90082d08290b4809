//! What else users are known by: their session with the application, a field, a parameter, the path, their address.

use std::{collections::BTreeSet, net::SocketAddr};

use lb_user::lab::{
    Family,
    config::{By, Cookie, Http, Persistence, Service},
    plan,
};
use limpet_tests::http::{
    Answer, Scene, User,
    app::SESSION,
    scene::{lab, shop, stall, target},
    user::{all_ask, ask},
};

const USERS: u32 = 30;

fn at(port: u16) -> SocketAddr {
    (target().ip(), port).into()
}

fn session(mode: &'static str) -> Persistence {
    let cookie = Cookie { mode: Some(mode), name: Some(SESSION), ..Cookie::default() };
    Persistence { cookie: Some(cookie), ..Persistence::by("cookie") }
}

async fn all(scene: &Scene, users: &mut [User], port: u16, path: &str) -> Vec<Answer> {
    all_ask(users, &scene.bed.clients, at(port), path).await
}

fn servers(answers: &[Answer]) -> Vec<String> {
    let servers: Vec<_> = answers.iter().map(Answer::server).collect();
    assert!(servers.iter().all(|server| server.starts_with("backend-")), "{servers:?}");
    servers
}

/// Several times, each from another address.
async fn stay(scene: &Scene, users: &mut [User], port: u16, homes: &[String]) -> Vec<Answer> {
    let mut last = Vec::new();
    for _ in 0..4 {
        last = all(scene, users, port, "/").await;
        assert_eq!(servers(&last), homes);
    }
    last
}

/// All three have some of them.
fn spread(servers: &[String]) {
    assert_eq!(servers.iter().collect::<BTreeSet<_>>().len(), 3, "{servers:?}");
}

#[tokio::test]
async fn the_session_of_the_application_decides() {
    let services = vec![
        stall("prefix", 81, 3, session("prefix")),
        stall("learn", 82, 3, session("learn")),
        // Such services have a name of their own, so that the daemon's own cookie is there as well.
        shop(3),
    ];
    let mut scene = Scene::new(3, services).await;
    let mut crowds = [81, 82].map(|port| (port, User::many(USERS)));
    let mut homes = Vec::new();
    for (port, users) in &mut crowds {
        let answers = all(&scene, users, *port, "/login").await;
        spread(&servers(&answers));
        for (answer, user) in answers.iter().zip(users.iter()) {
            assert_eq!(answer.set_cookies().len(), 1, "the application's: {answer:?}");
            assert!(answer.sets(SESSION).unwrap().ends_with("; Path=/; HttpOnly"), "{answer:?}");
            assert_eq!(user.jar[SESSION].len() > 32, *port == 81, "{user:?}");
        }
        homes.push(servers(&answers));
    }
    for when in ["at first", "after a restart", "after a crash"] {
        for ((port, users), homes) in crowds.iter_mut().zip(&homes) {
            for (answer, user) in stay(&scene, users, *port, homes).await.iter().zip(users.iter()) {
                let report = answer.report();
                assert_eq!(report["session"], "known", "{when}");
                let bare = user.jar[SESSION].rsplit('~').next().unwrap();
                assert_eq!(report["headers"]["cookie"], format!("{SESSION}={bare}"), "{when}");
            }
        }
        match when {
            "at first" => scene.bed.daemon.stop().unwrap(),
            _ => scene.bed.daemon.kill().unwrap(),
        }
        scene.bed.daemon.start_again().unwrap();
        scene.until_all_up().await;
    }
}

#[tokio::test]
async fn what_a_request_says_decides() {
    let header = Persistence { header: Some("X-User"), ..Persistence::by("header") };
    let query = Persistence { query: Some("sid"), ..Persistence::by("query") };
    let path = Persistence { path_segments: Some(2), ..Persistence::by("path") };
    let services = vec![
        stall("header", 81, 3, header),
        stall("query", 82, 3, query),
        stall("path", 83, 3, path),
        stall("address", 84, 3, Persistence::by("client-ip")),
    ];
    let scene = Scene::in_lab(lab(3), services).await;
    let mut users = User::many(USERS);
    for (number, user) in users.iter_mut().enumerate() {
        user.fields = vec![("x-user", format!("user {number}"))];
    }
    let homes = servers(&all(&scene, &mut users, 81, "/").await);
    spread(&homes);
    let seen = stay(&scene, &mut users, 81, &homes).await;
    assert_eq!(seen[7].report()["headers"]["x-user"], "user 7");

    for (port, of) in [
        (
            82,
            (|number, turn| format!("/page{turn}?a={turn}&sid=s{number}&b=x")) as fn(usize, usize) -> String,
        ),
        (83, |number, turn| format!("/shop/{number}/item/{turn}?sid={turn}")),
    ] {
        let mut homes = Vec::new();
        for turn in 0..4 {
            let mut now = Vec::new();
            for (number, user) in users.iter_mut().enumerate() {
                user.moves();
                now.push(user.asks(&scene.bed.clients, at(port), &of(number, turn)).await.server());
            }
            if turn == 0 {
                spread(&now);
                homes = now;
            } else {
                assert_eq!(now, homes, "port {port}, turn {turn}");
            }
        }
    }

    let mut addresses = Vec::new();
    for user in &mut users {
        addresses.push(user.asks(&scene.bed.clients, at(84), "/").await.server());
    }
    spread(&addresses);
    for (user, home) in users.iter_mut().zip(&addresses) {
        assert_eq!(user.asks(&scene.bed.clients, at(84), "/").await.server(), *home);
    }
}

#[tokio::test]
async fn the_first_of_a_list_that_there_is_decides() {
    let list = Persistence {
        by: By::List(vec!["cookie", "header", "client-ip"]),
        header: Some("X-User"),
        ..Persistence::by("cookie")
    };
    let scene = Scene::in_lab(lab(3), vec![stall("list", 81, 3, list)]).await;
    let mut users = User::many(USERS);
    let named = |users: &mut [User]| {
        for (number, user) in users.iter_mut().enumerate() {
            user.fields = vec![("x-user", format!("user {number}"))];
        }
    };
    named(&mut users);
    let homes = servers(&all(&scene, &mut users, 81, "/").await);
    spread(&homes);
    // By name, without a cookie, from elsewhere.
    let mut nameable = users.clone();
    nameable.iter_mut().for_each(|user| user.jar.clear());
    assert_eq!(servers(&all(&scene, &mut nameable, 81, "/").await), homes);
    // By cookie, without a name.
    users.iter_mut().for_each(|user| user.fields.clear());
    let seen = stay(&scene, &mut users, 81, &homes).await;
    assert!(seen.iter().all(|answer| answer.set_cookies().is_empty()), "{seen:?}");
    // The cookie goes before the name.
    users.rotate_left(1);
    named(&mut users);
    let mut by_cookie = homes.clone();
    by_cookie.rotate_left(1);
    stay(&scene, &mut users, 81, &by_cookie).await;
    // By address, where there is nothing else.
    for number in 500..500 + USERS {
        let (mut first, mut second) = (User::new(number), User::new(number));
        let home = first.asks(&scene.bed.clients, at(81), "/").await.server();
        assert_eq!(second.asks(&scene.bed.clients, at(81), "/").await.server(), home);
    }
}

#[tokio::test]
async fn proxies_are_believed_that_are_trusted() {
    let trusted = plan::client(Family::V4, 0);
    let http = Http { trusted_proxies: vec![format!("{trusted}/32")], ..Http::default() };
    let by_address = stall("address", 81, 3, Persistence::by("client-ip"));
    let scene = Scene::in_lab(lab(3), vec![Service { http: Some(http), ..by_address }]).await;
    let mut homes = Vec::new();
    for number in 0..USERS {
        let mut user = User::new(number);
        let home = user.asks(&scene.bed.clients, at(81), "/").await.server();
        // The same one by way of the proxy, and by one that nobody trusts.
        let address = user.address();
        user.fields = vec![("x-forwarded-for", format!("203.0.113.9, {address}"))];
        let request = user.request(at(81), "/");
        let answer = scene.bed.clients.spawn(ask(trusted, at(81), request)).await.unwrap().unwrap();
        assert_eq!(answer.server(), home, "{address}");
        let told = &answer.report()["headers"]["x-forwarded-for"];
        assert_eq!(told, &format!("203.0.113.9, {address}, {trusted}"));
        homes.push(home);
    }
    spread(&homes);
    let mut stranger = User::new(900);
    let mut servers = BTreeSet::new();
    for number in 0..USERS {
        stranger.fields = vec![("x-forwarded-for", User::new(number).address().to_string())];
        let answer = stranger.asks(&scene.bed.clients, at(81), "/").await;
        assert_eq!(answer.report()["headers"]["x-forwarded-for"], stranger.address().to_string());
        servers.insert(answer.server());
    }
    assert_eq!(servers.len(), 1, "whatever it says: {servers:?}");
}
