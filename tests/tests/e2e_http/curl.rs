//! What HTTP has besides requests and answers, as curl and nginx do it: HEAD, conditions, `Expect`, chunks, trailers,
//! connections that are used again, HTTP/2, and other backends in place of one that refuses.

use std::fs;

use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    HeaderMap, Request,
    body::{Bytes, Frame},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use lb_user::lab::{
    Family, backend_name,
    client::connect,
    config::{Backend, Health, Http, Persistence, Service},
    plan,
};
use limpet_tests::http::{
    Scene, User, curl,
    nginx::Nginx,
    scene::{PORT, lab, shop, stall, target},
};
use serde_json::Value;

fn url(path: &str) -> String {
    format!("http://{}{path}", target())
}

async fn run(scene: &Scene, arguments: &[&str]) -> String {
    let source = plan::client(Family::V4, 0).to_string();
    curl::run(scene.bed.lab.clients(), &[&["--interface", &source], arguments].concat()).await.unwrap()
}

#[tokio::test]
async fn answers_without_a_body() {
    let lab = lab(1);
    let nginx = Nginx::start(&lab.backends()[0], "server { listen 80; root {www}; }").unwrap();
    fs::write(nginx.files().join("page.html"), "x".repeat(12_345)).unwrap();
    let mut service = Service { health: Health::None, ..shop(1) };
    service.backend[0].port = Some(80);
    let scene = Scene::in_lab(lab, vec![service]).await;

    let head = run(&scene, &["--head", &url("/page.html"), "--head", &url("/page.html")]).await;
    assert_eq!(head.matches("HTTP/1.1 200 OK").count(), 2, "{head}");
    assert_eq!(head.to_lowercase().matches("content-length: 12345").count(), 2, "{head}");
    let tag = head.lines().find_map(|line| line.to_lowercase().strip_prefix("etag: ").map(str::to_owned));
    let field = format!("If-None-Match: {}", tag.unwrap_or_else(|| panic!("{head}")));
    // By one connection: what has no body leaves nothing behind.
    let page = url("/page.html");
    let written = ["--write-out", "%{http_code} %{size_download} %{num_connects}\n"];
    let out = ["--output", "/dev/null", "--output", "/dev/null", "--output", "/dev/null"];
    let said = run(&scene, &[&["--header", &field, &page, &page, &page], &written[..], &out].concat()).await;
    assert_eq!(said, "304 0 1\n304 0 0\n304 0 0\n");
    let ranged = run(&scene, &["--range", "0-9", "--include", &page]).await;
    assert!(ranged.starts_with("HTTP/1.1 206") && ranged.ends_with("\n\r\nxxxxxxxxxx"), "{ranged}");
}

#[tokio::test]
async fn bodies_in_parts_and_connections_used_again() {
    let scene = Scene::new(1, vec![shop(1)]).await;
    let directory = scene.bed.lab.directory();
    let file = directory.join("body");
    let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
    fs::write(&file, &content).unwrap();
    let (at, back) = (format!("@{}", file.display()), directory.join("back"));
    let output = back.display().to_string();

    // curl waits for the word before it sends the body.
    let expect =
        ["--header", "Expect: 100-continue", "--expect100-timeout", "50", "--verbose", "--stderr", "-"];
    let post = ["--data-binary", &at, "--output", &output, &url("/echo")];
    let said = run(&scene, &[&expect[..], &post].concat()).await;
    assert!(said.contains("< HTTP/1.1 100 Continue"), "{said}");
    assert!(fs::read(&back).unwrap() == content);
    // In chunks, both ways.
    let said =
        run(&scene, &[&["--header", "Transfer-Encoding: chunked", "--dump-header", "-"], &post[..]].concat())
            .await
            .to_lowercase();
    assert!(said.contains("transfer-encoding: chunked") && !said.contains("content-length"), "{said}");
    assert!(fs::read(&back).unwrap() == content);
    // The same by HTTP/2, without having agreed on it.
    let said =
        run(&scene, &[&["--http2-prior-knowledge", "--write-out", "%{http_version}"], &post[..]].concat())
            .await;
    assert_eq!(said, "2");
    assert!(fs::read(&back).unwrap() == content);

    // One connection of the client, and as few to the backend.
    let before = scene.apps[0].as_ref().unwrap().connections();
    let said =
        run(&scene, &["--write-out", "%{num_connects} ", "--output", "/dev/null", &url("/[1-50]")]).await;
    assert_eq!(said.trim(), format!("1{}", " 0".repeat(49)));
    let app = scene.apps[0].as_ref().unwrap();
    // Health checks have connections of their own.
    assert!(app.connections() - before < 15, "{} connections for fifty requests", app.connections() - before);
}

#[tokio::test]
async fn trailers_go_through() {
    let second = Service {
        http: Some(Http { backend_version: Some("2"), ..Http::default() }),
        ..stall("second", 81, 1, Persistence::by("cookie"))
    };
    let scene = Scene::new(1, vec![shop(1), second]).await;
    for port in [80, 81] {
        let asked = scene.bed.clients.spawn(async move {
            let stream = connect(plan::client(Family::V4, 0), (target().ip(), port).into()).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let mut answers = Vec::new();
            for path in ["/echo", "/"] {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", "42".parse()?);
                let frames = [Frame::data(Bytes::from("some")), Frame::trailers(trailers)];
                let body = StreamBody::new(stream::iter(frames.map(Ok::<_, std::io::Error>)));
                let request = Request::post(path).header("host", "shop").header("trailer", "x-sum");
                let answer = sender.send_request(request.header("te", "trailers").body(body)?).await?;
                let body = answer.into_body().collect().await?;
                answers.push((body.trailers().cloned(), body.to_bytes()));
            }
            anyhow::Ok(answers)
        });
        let answers = asked.await.unwrap().unwrap();
        let (trailers, body) = &answers[0];
        assert_eq!(body, "some");
        assert_eq!(trailers.as_ref().unwrap()["x-sum"], "42", "port {port}");
        let report: Value = serde_json::from_slice(&answers[1].1).unwrap();
        assert_eq!((&report["trailers"]["x-sum"], &report["length"]), (&"42".into(), &4.into()), "{report}");
        let version = if port == 80 { "HTTP/1.1" } else { "HTTP/2.0" };
        assert_eq!(report["version"], version, "{report}");
    }
}

/// Nobody has noticed yet that a backend refuses.
#[tokio::test]
async fn requests_that_may_be_repeated_are_tried_elsewhere() {
    let slow = Health::None;
    let nobody = Backend { name: "nobody".to_owned(), port: Some(9), ..Backend::new(Family::V4, 1, PORT) };
    let mut once = Service { health: slow.clone(), ..shop(1) };
    once.backend.push(nobody.clone());
    let never = Http { retries: Some(0), ..Http::default() };
    let mut none =
        Service { health: slow, http: Some(never), ..stall("none", 81, 1, Persistence::by("cookie")) };
    none.backend.push(nobody);
    let scene = Scene::in_lab(lab(2), vec![once, none]).await;
    let mut users = User::many(20);
    let answers = scene.all_ask(&mut users, "/").await;
    assert!(answers.iter().all(|answer| answer.server() == backend_name(0)), "{answers:?}");
    let at = |port: u16, path: &str| format!("http://{}:{port}{path}", target().ip());
    let written = ["--write-out", "%{http_code} ", "--output", "/dev/null"];
    for (port, method, path, fails) in [
        (80, "GET", "/[1-30]", false),
        (80, "PUT", "/[1-30]", false),
        (80, "POST", "/[1-30]", true),
        (81, "GET", "/[1-30]", true),
    ] {
        // A connection each, as that is who decides about strangers.
        let own = ["--request", method, "--header", "Connection: close", &at(port, path)];
        let codes = run(&scene, &[&written[..], &own].concat()).await;
        let bad = codes.split_whitespace().filter(|code| *code == "502").count();
        assert_eq!(codes.split_whitespace().filter(|code| *code == "200").count() + bad, 30, "{codes}");
        assert_eq!(bad > 0, fails, "{method} at {port}: {codes}");
    }
}
