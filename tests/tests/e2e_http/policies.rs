//! What becomes of users with a cookie whose server is down, drains or is out of service, by the policies of the service.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use lb_user::lab::{backend_name, config::Persistence};
use limpet_tests::{
    bed::{PATIENCE, binary},
    http::{
        Answer, Scene, User,
        scene::{SHOP, shop_by, target},
        socket::Socket,
        user::ask,
    },
};
use tokio::time::{sleep, timeout};

const USERS: u32 = 40;
const VICTIM: u8 = 1;

/// Users of three backends, and those of the one that fails.
struct Parties {
    scene: Scene,
    others: Vec<User>,
    homes: Vec<String>,
    bereaved: Vec<User>,
}

impl Parties {
    async fn new(policy: Persistence) -> Self {
        let scene = Scene::new(3, vec![shop_by(3, policy)]).await;
        let mut users = User::many(USERS);
        let homes = scene.homes(&mut users).await;
        let victim = backend_name(VICTIM);
        let (bereaved, others): (Vec<_>, Vec<_>) =
            users.into_iter().zip(homes).partition(|(_, home)| *home == victim);
        assert!(bereaved.len() > 3 && others.len() > 10, "{} of {USERS}", bereaved.len());
        let (others, homes) = others.into_iter().unzip();
        Self { scene, others, homes, bereaved: bereaved.into_iter().map(|(user, _)| user).collect() }
    }

    async fn asks(&mut self) -> Vec<Answer> {
        self.scene.all_ask(&mut self.bereaved, "/").await
    }

    async fn servers(&mut self) -> Vec<String> {
        self.scene.homes(&mut self.bereaved).await
    }

    /// Nobody else is concerned, and strangers are served as well.
    async fn others_stay(&mut self) {
        assert_eq!(self.scene.homes(&mut self.others).await, self.homes);
        let strangers = self.scene.homes(&mut User::many(20)).await;
        assert!(strangers.iter().all(|server| server.starts_with("backend-")), "{strangers:?}");
        assert!(!strangers.contains(&backend_name(VICTIM)), "{strangers:?}");
    }

    fn all_at_home(&self, servers: &[String]) {
        let victim = backend_name(VICTIM);
        assert!(servers.iter().all(|server| *server == victim), "{servers:?}");
    }

    /// All have another server and a cookie that says so.
    fn all_moved(&self, answers: &[Answer]) -> Vec<String> {
        for answer in answers {
            assert!(answer.server().starts_with("backend-"), "{answer:?}");
            assert_ne!(answer.server(), backend_name(VICTIM));
            assert!(answer.sets("LIMPET").is_some(), "{answer:?}");
        }
        answers.iter().map(Answer::server).collect()
    }

    /// All are told to come again.
    fn all_refused(&self, answers: &[Answer]) {
        for answer in answers {
            assert_eq!((answer.status.as_u16(), answer.field("retry-after")), (503, Some("1".to_owned())));
            assert!(answer.set_cookies().is_empty(), "{answer:?}");
        }
    }
}

fn policy(on_down: &'static str) -> Persistence {
    Persistence { on_down: Some(on_down), ..Persistence::by("cookie") }
}

#[tokio::test]
async fn repinned_users_get_a_new_server_for_good() {
    let mut parties = Parties::new(policy("repin")).await;
    parties.scene.kill(VICTIM).await;
    // A page with many parts: all requests have the old cookie, and nobody knows which is the first.
    let (clients, user) = (&parties.scene.bed.clients, &parties.bereaved[0]);
    let parts = join_all((0..8).map(async |_| user.clone().asks(clients, target(), "/").await)).await;
    let servers = parties.all_moved(&parts);
    assert!(servers.iter().all(|server| *server == servers[0]), "{servers:?}");

    let answers = parties.asks().await;
    let moved = parties.all_moved(&answers);
    assert_eq!(moved[0], servers[0]);
    assert_eq!(parties.servers().await, moved);
    parties.others_stay().await;
    parties.scene.revive(VICTIM).await;
    assert_eq!(parties.servers().await, moved, "for good");
}

#[tokio::test]
async fn lent_users_return_home() {
    let mut parties = Parties::new(policy("lend")).await;
    parties.scene.kill(VICTIM).await;
    let answers = parties.asks().await;
    for answer in &answers {
        assert!(answer.server().starts_with("backend-"), "{answer:?}");
        assert!(answer.set_cookies().is_empty(), "their session is where it was: {answer:?}");
    }
    let lent: Vec<_> = answers.iter().map(Answer::server).collect();
    assert_eq!(parties.servers().await, lent, "as long as it lasts");
    parties.others_stay().await;
    parties.scene.revive(VICTIM).await;
    let servers = parties.servers().await;
    parties.all_at_home(&servers);
}

#[tokio::test]
async fn refused_users_wait_for_their_server() {
    let mut parties = Parties::new(policy("refuse")).await;
    parties.scene.kill(VICTIM).await;
    let answers = parties.asks().await;
    parties.all_refused(&answers);
    parties.others_stay().await;
    parties.scene.revive(VICTIM).await;
    let servers = parties.servers().await;
    parties.all_at_home(&servers);
}

#[tokio::test]
async fn held_users_move_when_the_time_is_over() {
    let hold = Persistence { hold: Some("6s"), ..policy("hold") };
    let mut parties = Parties::new(hold).await;
    parties.scene.kill(VICTIM).await;
    let answers = parties.asks().await;
    parties.all_refused(&answers);
    parties.others_stay().await;
    let begin = Instant::now();
    while parties.scene.asks(&mut parties.bereaved[0], "/").await.status.as_u16() == 503 {
        assert!(begin.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let moved = parties.servers().await;
    assert!(!moved.contains(&backend_name(VICTIM)) && !moved.contains(&"503".to_owned()), "{moved:?}");
    parties.scene.revive(VICTIM).await;
    assert_eq!(parties.servers().await, moved, "for good");
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline() {
    let mut parties = Parties::new(policy("repin")).await;
    let Parties { scene, others, homes, bereaved } = &mut parties;
    let clients = &scene.bed.clients;
    let (mut leaves, server) = Socket::open(&mut bereaved[0], clients, target()).await;
    assert_eq!(server, backend_name(VICTIM));
    let (mut stays, other) = Socket::open(&mut others[0], clients, target()).await;
    assert_eq!(other, homes[0]);
    // An answer that takes longer than the drain.
    let slow = bereaved[1].request(target(), "/slow");
    let slow = clients.spawn(ask(bereaved[1].address(), target(), slow));

    scene.order_with("drain", VICTIM, &["--deadline", "3s"]);
    assert_eq!(leaves.server().await.unwrap(), server, "it is there until then");
    let servers = parties.servers().await;
    parties.all_at_home(&servers);
    parties.others_stay().await;

    let end = timeout(PATIENCE, leaves.next()).await;
    assert!(matches!(end, Ok(Err(_))), "{end:?}");
    parties.scene.until(VICTIM, "disabled").await;
    let answers = parties.asks().await;
    let moved = parties.all_moved(&answers);
    assert_eq!(parties.servers().await, moved);
    parties.others_stay().await;
    assert_eq!(stays.server().await.unwrap(), other);
    // Who had asked before is answered.
    let slow = timeout(PATIENCE, slow).await.unwrap().unwrap().unwrap();
    assert_eq!((slow.status.as_u16(), slow.server()), (200, server));
    parties.scene.order("enable", VICTIM);
    assert_eq!(parties.servers().await, moved, "for good");
}

#[tokio::test]
async fn orders_to_a_server() {
    let moves = Persistence { on_drain: Some("move"), ..policy("repin") };
    let mut parties = Parties::new(moves).await;
    parties.scene.order("drain", VICTIM);
    let answers = parties.asks().await;
    let moved = parties.all_moved(&answers);
    assert_eq!(parties.servers().await, moved);
    parties.others_stay().await;
    parties.scene.order("enable", VICTIM);
    assert_eq!(parties.servers().await, moved, "for good");

    // Those who are with another one now, and have to leave that one, too.
    parties.scene.order("disable", 0);
    let answers = parties.scene.all_ask(&mut parties.others, "/").await;
    for (answer, home) in answers.iter().zip(&parties.homes) {
        let had_to_go = *home == backend_name(0);
        assert_eq!(answer.server() != *home, had_to_go, "{home}: {answer:?}");
        assert_eq!(answer.sets("LIMPET").is_some(), had_to_go, "{home}: {answer:?}");
        assert!(answer.server().starts_with("backend-"), "{answer:?}");
    }
    // A server that is no longer there at all.
    parties.scene.order("enable", 0);
    let before: Vec<_> = answers.iter().map(Answer::server).collect();
    parties.scene.order("remove", VICTIM);
    let answers = parties.scene.all_ask(&mut parties.others, "/").await;
    for (answer, home) in answers.iter().zip(&before) {
        assert_eq!(answer.server() != *home, *home == backend_name(VICTIM), "{home}: {answer:?}");
    }
    assert!(before.contains(&backend_name(VICTIM)), "{before:?}");
}

#[tokio::test]
async fn a_drain_waits_for_those_whom_nobody_can_count() {
    const IDLE: Duration = Duration::from_secs(2);
    let short = Persistence { idle_timeout: Some("2s"), ..Persistence::by("cookie") };
    let mut parties = Parties::new(short).await;
    let victim = format!("{SHOP}/{}", backend_name(VICTIM));
    let mut waiting = Command::new(binary());
    waiting
        .arg("--socket")
        .arg(parties.scene.bed.daemon.socket())
        .args(["backend", "drain", &victim, "--wait"]);
    let mut waiting = waiting.stdout(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < 2 * IDLE {
        let servers = parties.servers().await;
        parties.all_at_home(&servers);
        assert!(waiting.try_wait().unwrap().is_none(), "they come back");
        sleep(IDLE / 4).await;
    }
    let last = Instant::now();
    while waiting.try_wait().unwrap().is_none() {
        assert!(last.elapsed() < PATIENCE, "nobody comes any more");
        sleep(Duration::from_millis(50)).await;
    }
    let output = waiting.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("and whoever has a cookie left on"), "{said}");
    let answers = parties.asks().await;
    parties.all_moved(&answers);
}
