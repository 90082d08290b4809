//! Requests byte for byte: what is refused, what is passed on and as what, and whether the connection goes on.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use lb_user::lab::{
    Family, Size,
    config::{Http, Service},
    plan,
};
use limpet_tests::{
    Bed,
    http::framing::{Raw, Recorder, check, page, replies, rows},
};

const SIZE: Size = Size { clients: 1, backends: 1 };
const PORT: u16 = 8080;

fn service() -> Service {
    let target = SocketAddr::new(plan::vip(Family::V4), 80);
    let http = Http {
        header_timeout: Some("3s"),
        idle_timeout: Some("4s"),
        body_timeout: Some("2s"),
        response_timeout: Some("2s"),
        ..Http::default()
    };
    Service { http: Some(http), ..Service::http("web", target, 1, PORT) }
}

fn ends() -> (IpAddr, SocketAddr) {
    (plan::client(Family::V4, 0), SocketAddr::new(plan::vip(Family::V4), 80))
}

#[test]
fn the_page_has_the_rows() {
    page::compare("request", rows::all().iter().map(|row| (row.id, row.fate())));
    page::compare("reply", replies::all().iter().map(|row| (row.id, row.fate())));
}

#[tokio::test]
async fn requests_byte_for_byte() {
    let bed = Bed::without_servers(SIZE, vec![service()]).await.unwrap();
    let backend = Recorder::start(&bed.lab, 0, PORT, "backend-1").await.unwrap();
    let (source, target) = ends();
    let (mut faults, mut late) = (Vec::new(), 0);
    for row in rows::all() {
        let played = bed.clients.spawn(check::play(row.clone(), source, target)).await.unwrap();
        backend.settled().await;
        for result in [played, check::compare(&row, &backend, &mut late)] {
            faults.extend(result.err().map(|fault| format!("{}: {fault:#}", row.id)));
        }
    }
    let log = bed.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(faults.is_empty(), "{} cases:\n  {}", faults.len(), faults.join("\n  "));
}

#[tokio::test]
async fn answers_byte_for_byte() {
    let bed = Bed::without_servers(SIZE, vec![service()]).await.unwrap();
    let backend = Arc::new(Recorder::start(&bed.lab, 0, PORT, "backend-1").await.unwrap());
    let (source, target) = ends();
    let mut faults = Vec::new();
    for row in replies::all() {
        let id = row.id;
        let played = bed.clients.spawn(check::answered(row, source, target, Arc::clone(&backend))).await;
        faults.extend(played.unwrap().err().map(|fault| format!("{id}: {fault:#}")));
        backend.settled().await;
    }
    let log = bed.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(faults.is_empty(), "{} cases:\n  {}", faults.len(), faults.join("\n  "));
}

/// Requests in one piece are answered in order, each by the backend of its own cookie.
#[tokio::test]
async fn each_of_several_requests_goes_home() {
    let size = Size { backends: 2, ..SIZE };
    let (source, target) = ends();
    let bed = Bed::without_servers(size, vec![Service::http("web", target, 2, PORT)]).await.unwrap();
    let mut backends = Vec::new();
    for (index, name) in [(0, "backend-1"), (1, "backend-2")] {
        backends.push(Recorder::start(&bed.lab, index, PORT, name).await.unwrap());
    }
    let orders = bed.clients.spawn(async move {
        let mut cookies: [Option<String>; 2] = [None, None];
        while cookies.contains(&None) {
            let mut client = Raw::open(source, target).await.unwrap();
            client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
            let answer = client.answer(true).await.unwrap().unwrap();
            let cookie = answer.value("set-cookie").unwrap().split(';').next().unwrap().to_owned();
            let at = usize::from(answer.value("x-name") == Some("backend-2"));
            cookies[at] = Some(cookie);
        }
        let order = [0, 1, 1, 0, 1, 0, 0, 1];
        let requests = order.map(|at: usize| {
            let cookie = cookies[at].as_deref().unwrap();
            format!("GET /{at} HTTP/1.1\r\nHost: h\r\nCookie: {cookie}\r\n\r\n")
        });
        let mut client = Raw::open(source, target).await.unwrap();
        client.send(requests.concat().as_bytes()).await;
        let mut answers = Vec::new();
        for _ in order {
            let answer = client.answer(true).await.unwrap().unwrap();
            answers.push((answer.value("x-name").unwrap().to_owned(), answer.body));
        }
        (order.map(|at| (format!("backend-{}", at + 1), format!("/{at}").into_bytes())), answers)
    });
    let (expected, answers) = orders.await.unwrap();
    assert_eq!(expected.as_slice(), answers);
}
