//! What Limpet's cookie looks like, who sees it, when it is set, and when it ends.

use std::time::{Duration, Instant};

use lb_user::lab::config::{Cookie, Persistence};
use limpet_tests::http::{
    Answer, Scene, User,
    scene::{shop, shop_by, stall, target},
};
use serde_json::Value;

const USERS: u32 = 30;

fn with(cookie: Cookie) -> Persistence {
    Persistence { cookie: Some(cookie), ..Persistence::by("cookie") }
}

/// What follows the value of the cookie of this name.
fn attributes(answer: &Answer, name: &str) -> Vec<String> {
    let field = answer.sets(name).unwrap_or_else(|| panic!("{answer:?}"));
    let mut attributes: Vec<_> = field.split("; ").skip(1).map(str::to_owned).collect();
    attributes.sort();
    attributes
}

#[tokio::test]
async fn attributes_are_as_configured() {
    let all = Cookie {
        name: Some("__Secure-where"),
        path: Some("/shop"),
        domain: Some("example.org"),
        secure: Some(true),
        http_only: Some(false),
        same_site: Some("none"),
        max_age: Some("90d"),
        partitioned: Some(true),
        pass_on: Some(true),
        ..Cookie::default()
    };
    let scene = Scene::new(2, vec![shop(2), stall("bar", 81, 2, with(all))]).await;
    let (mut plain, mut other) = (User::new(0), User::new(1));
    let answer = scene.asks(&mut plain, "/").await;
    assert_eq!(attributes(&answer, "LIMPET"), ["HttpOnly", "Path=/", "SameSite=Lax"]);

    let bar = (target().ip(), 81).into();
    let answer = other.asks(&scene.bed.clients, bar, "/shop").await;
    assert_eq!(
        attributes(&answer, "__Secure-where"),
        ["Domain=example.org", "Max-Age=7776000", "Partitioned", "Path=/shop", "SameSite=None", "Secure"]
    );

    // The application's cookies are its own; ours is for those who are to see it.
    for user in [&mut plain, &mut other] {
        user.jar.insert("a".to_owned(), "1".to_owned());
        user.jar.insert("z".to_owned(), "2".to_owned());
    }
    let answer = scene.asks(&mut plain, "/").await;
    assert_eq!(answer.report()["headers"]["cookie"], "a=1; z=2");
    let answer = other.asks(&scene.bed.clients, bar, "/").await;
    assert_eq!(answer.report()["headers"]["cookie"], other.cookies().unwrap());
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    plain.jar.retain(|name, _| name == "LIMPET");
    let answer = scene.asks(&mut plain, "/").await;
    assert_eq!(answer.report()["headers"]["cookie"], Value::Null);
}

/// A session in use is written down now and then, and lives; it ends all the same when its lifetime is over.
#[tokio::test]
async fn sessions_in_use_live_as_long_as_they_may() {
    let short =
        Persistence { idle_timeout: Some("4s"), max_lifetime: Some("8s"), ..Persistence::by("cookie") };
    let scene = Scene::new(3, vec![shop_by(3, short)]).await;
    let mut users = User::many(USERS);
    let begin = Instant::now();
    let homes = scene.homes(&mut users).await;
    let first = users.clone();
    let (mut requests, mut issued) = (0, 0);
    // Time is counted in seconds: the eighth may be over by now, and the ninth not yet.
    while begin.elapsed() < Duration::from_secs(7) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let answers = scene.all_ask(&mut users, "/").await;
        if begin.elapsed() < Duration::from_secs(7) {
            assert_eq!(answers.iter().map(Answer::server).collect::<Vec<_>>(), homes);
        }
        requests += answers.len();
        issued += answers.iter().filter(|answer| answer.sets("LIMPET").is_some()).count();
    }
    assert!(issued >= USERS as usize * 3, "{issued} of {requests}: at least every other second");
    assert!(issued <= USERS as usize * 8, "{issued} of {requests}: once a second at most");
    assert!(users.iter().zip(&first).all(|(now, first)| now.jar != first.jar));

    tokio::time::sleep(Duration::from_secs(10).saturating_sub(begin.elapsed())).await;
    // Whether they kept up or bring the first cookie that they were given.
    for users in [&mut users, &mut first.clone()] {
        let answers = scene.all_ask(users, "/").await;
        assert!(answers.iter().all(|answer| answer.sets("LIMPET").is_some()), "{answers:?}");
        let now: Vec<_> = answers.iter().map(Answer::server).collect();
        assert_ne!(now, homes);
        assert_eq!(scene.homes(users).await, now, "from then on");
    }
}

#[tokio::test]
async fn idle_sessions_end() {
    let short = Persistence { idle_timeout: Some("2s"), ..Persistence::by("cookie") };
    let scene = Scene::new(3, vec![shop_by(3, short)]).await;
    let mut users = User::many(USERS);
    let homes = scene.homes(&mut users).await;
    // Longer than the timeout and the second in which it may begin.
    tokio::time::sleep(Duration::from_millis(4100)).await;
    let answers = scene.all_ask(&mut users, "/").await;
    assert!(answers.iter().all(|answer| answer.sets("LIMPET").is_some()), "{answers:?}");
    let now: Vec<_> = answers.iter().map(Answer::server).collect();
    assert_ne!(now, homes);
    assert_eq!(scene.homes(&mut users).await, now, "from then on");
}
