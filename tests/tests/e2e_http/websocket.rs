//! WebSockets: an open one lives through what happens around it, and comes back to where it was.

use lb_user::lab::{
    backend_name,
    config::{Http, Service},
};
use limpet_tests::{
    bed::PATIENCE,
    http::{
        Scene, User,
        scene::{shop, target},
        socket::Socket,
    },
};
use tokio::time::timeout;

const USERS: u32 = 30;

/// A user, the socket, and who is at its other end.
type Pair = (User, Socket, String);

async fn open(scene: &Scene, user: &mut User) -> (Socket, String) {
    Socket::open(user, &scene.bed.clients, target()).await
}

async fn all_live(pairs: &mut [Pair], when: &str) {
    for (user, socket, server) in pairs {
        let answer = timeout(PATIENCE, socket.server()).await.expect("in time");
        assert_eq!(answer.unwrap_or_else(|error| panic!("{when}: {user:?}: {error:#}")), *server, "{when}");
    }
}

#[tokio::test]
async fn an_open_one_lives_and_its_reconnect_finds_home() {
    let mut scene = Scene::new(3, vec![shop(3)]).await;
    let mut pairs: Vec<Pair> = Vec::new();
    for (number, mut user) in User::many(USERS).into_iter().enumerate() {
        if number % 2 == 0 {
            // The page first, and its socket from there.
            let page = scene.asks(&mut user, "/").await;
            let (socket, server) = open(&scene, &mut user).await;
            assert_eq!(server, page.server());
            pairs.push((user, socket, server));
        } else {
            // The socket's own answer brings the cookie.
            let (socket, server) = open(&scene, &mut user).await;
            assert!(user.jar.contains_key("LIMPET"), "{user:?}");
            pairs.push((user, socket, server));
        }
    }
    all_live(&mut pairs, "at first").await;
    let large: Vec<u8> = (0..1_000_000_u32).map(|at| (at * 7) as u8).collect();
    assert_eq!(pairs[0].1.echo(large.clone().into()).await.unwrap(), large);

    let other = Http { retries: Some(0), idle_timeout: Some("30s"), ..Http::default() };
    scene.reload(vec![Service { http: Some(other), ..shop(3) }]);
    all_live(&mut pairs, "after a reload").await;
    scene.order("drain", 0);
    all_live(&mut pairs, "in a drain").await;
    // Who opens another one while it drains stays as well.
    for (user, socket, server) in &mut pairs {
        user.moves();
        let (again, found) = open(&scene, user).await;
        assert_eq!(found, *server);
        std::mem::replace(socket, again).close().await.unwrap();
    }
    scene.reload(vec![shop(3)]);
    all_live(&mut pairs, "after another reload").await;
    scene.order("enable", 0);
    all_live(&mut pairs, "after the drain").await;

    // Out of service: those of that server end, and no others.
    scene.order("disable", 1);
    let (gone, mut stay): (Vec<_>, Vec<_>) =
        pairs.into_iter().partition(|(.., server)| *server == backend_name(1));
    assert!(gone.len() > 2 && stay.len() > 2);
    for (user, mut socket, _) in gone {
        let end = timeout(PATIENCE, socket.next()).await;
        assert!(matches!(end, Ok(Err(_))), "{user:?}: {end:?}");
    }
    all_live(&mut stay, "others").await;
    scene.order("enable", 1);
    for (user, _, server) in &mut stay {
        user.moves();
        assert_eq!(open(&scene, user).await.1, *server);
    }

    // A crash ends them all, and they come back to where they were.
    scene.bed.daemon.kill().unwrap();
    for (_, socket, _) in &mut stay {
        assert!(matches!(timeout(PATIENCE, socket.next()).await, Ok(Err(_))));
    }
    scene.bed.daemon.start_again().unwrap();
    scene.until_all_up().await;
    for (user, _, server) in &mut stay {
        user.moves();
        assert_eq!(open(&scene, user).await.1, *server, "after a restart");
    }
}

#[tokio::test]
async fn one_that_is_refused_is_an_ordinary_answer() {
    let scene = Scene::new(1, vec![shop(1)]).await;
    let mut user = User::new(0);
    // Without a key, the application says what it wants.
    user.fields = vec![("upgrade", "websocket".to_owned()), ("connection", "upgrade".to_owned())];
    let answer = scene.asks(&mut user, "/ws").await;
    assert_eq!(answer.status.as_u16(), 426, "{answer:?}");
    assert_eq!(answer.server(), backend_name(0));
    // Who asks for an upgrade that nobody wants is served as if it had not.
    let answer = scene.asks(&mut user, "/").await;
    assert_eq!(answer.report()["headers"]["upgrade"], "websocket");
    assert_eq!(answer.field("upgrade"), None);
}
