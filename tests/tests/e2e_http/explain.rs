//! `limpet explain`, `sessions` and `status` know what requests meet.

use lb_user::lab::config::{By, Cookie, Persistence};
use limpet_tests::http::{
    Answer, Scene, User,
    scene::{SHOP, shop, shop_by, target},
    user::all_ask,
};
use serde_json::Value;

const USERS: u32 = 12;

fn explain(scene: &Scene, option: &str, value: &str) -> Value {
    scene.bed.daemon.ask(&["explain", "--service", SHOP, option, value, "--json"]).unwrap()
}

#[tokio::test]
async fn a_cookie_says_where_its_client_goes() {
    let mut scene = Scene::new(3, vec![shop(3)]).await;
    let mut users = User::many(USERS);
    let homes = scene.homes(&mut users).await;
    for (user, home) in users.iter().zip(&homes) {
        let said = explain(&scene, "--cookie", &user.jar["LIMPET"]);
        assert_eq!(
            (said["backend"].as_str(), said["reason"].as_str()),
            (Some(&**home), Some("cookie")),
            "{said}"
        );
        assert!((1700.0..=1800.0).contains(&said["idle_left_s"].as_f64().unwrap()), "{said}");
    }
    let bent = explain(&scene, "--cookie", "AQxx");
    assert_eq!((bent["reason"].as_str(), bent["session"].as_object()), (Some("hash"), None), "{bent}");
    let text = bent["text"].to_string();
    assert!(text.contains("not made for this service"), "{text}");

    // Two users more, one of whom brings something forged.
    let mut stranger = User::new(900);
    stranger.jar.insert("LIMPET".to_owned(), "forged".to_owned());
    scene.asks(&mut stranger, "/").await;
    let status: Value = scene.bed.daemon.ask(&["status", "--json"]).unwrap();
    let http = &status["services"][0]["http"];
    let count = |state: &str| http["cookies"][state].as_u64();
    assert_eq!(
        (count("absent"), count("forged"), count("live")),
        (Some(USERS.into()), Some(1), Some(0)),
        "{http}"
    );
    assert_eq!(http["cookies_set"].as_u64(), Some(u64::from(USERS) + 1));
    assert_eq!(http["statuses"]["2xx"].as_u64(), Some(u64::from(USERS) + 1));

    // What is said of a failure comes true.
    let dead = homes[0].clone();
    let index = dead.strip_prefix("backend-").unwrap().parse::<u8>().unwrap() - 1;
    scene.kill(index).await;
    let said = explain(&scene, "--cookie", &users[0].jar["LIMPET"]);
    assert_eq!(
        (said["reason"].as_str(), said["session"]["valid"].as_bool()),
        (Some("hash"), Some(false)),
        "{said}"
    );
    let now = scene.homes(&mut users[..1]).await;
    assert_eq!(said["backend"].as_str(), Some(&*now[0]), "{said}");
}

#[tokio::test]
async fn a_header_leads_to_a_stored_session() {
    let by = Persistence {
        by: By::List(vec!["header", "client-ip"]),
        header: Some("x-user"),
        ..Persistence::by("header")
    };
    let scene = Scene::new(3, vec![shop_by(3, by)]).await;
    let mut users = User::many(USERS);
    for (number, user) in users.iter_mut().enumerate() {
        user.fields.push(("x-user", format!("user-{number}")));
    }
    let answers = all_ask(&mut users, &scene.bed.clients, target(), "/").await;
    for (number, home) in answers.iter().map(Answer::server).enumerate() {
        let said = explain(&scene, "--header", &format!("user-{number}"));
        assert_eq!(
            (said["backend"].as_str(), said["reason"].as_str()),
            (Some(&*home), Some("header")),
            "{said}"
        );
        let key = said["key"].as_str().unwrap();
        assert!(key.starts_with("1"), "an address of 100::/8: {key}");
        let shown: Value = scene.bed.daemon.ask(&["sessions", "show", "--client", key, "--json"]).unwrap();
        assert_eq!(shown[0]["backend"].as_str(), Some(&*home), "{shown}");
        assert!(!shown.to_string().contains("user-"), "a value is never stored: {shown}");
    }
    let list: Value = scene.bed.daemon.ask(&["sessions", "list", "--json"]).unwrap();
    assert_eq!(list["matching"].as_u64(), Some(USERS.into()));
    let none = explain(&scene, "--header", "nobody");
    assert_eq!((none["reason"].as_str(), none["session"].as_object()), (Some("hash"), None), "{none}");
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_in_words() {
    let cookie = Cookie { name: Some("SHOP"), ..Cookie::default() };
    let by = Persistence { cookie: Some(cookie), ..Persistence::by("cookie") };
    let scene = Scene::new(1, vec![shop_by(1, by)]).await;
    let refused = |option: &str, value: &str, why: &str| {
        let answer = scene.bed.daemon.ask::<Value>(&["explain", "--service", SHOP, option, value]);
        let error = format!("{:#}", answer.unwrap_err());
        assert!(error.contains(why), "{option} {value:?}: {error}");
    };
    refused("--header", "alice", "looks at no header field");
    refused("--path", "not a path", "can't be in a request");
    refused("--cookie", "a\u{7f}b", "characters");
}
