//! The server: routes, statuses, bodies, and how it stops.

use std::sync::Arc;

use lb_user::api::{Client, Refusal, RefusalKind, Reloaded};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::UnixStream};

use crate::fixture::{Fixed, Gate, Running, config_errors, daemon, raw, soon};

/// Status line and body of an answer.
fn parts(answer: &str) -> (&str, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    (head.lines().next().unwrap(), serde_json::from_str(body).expect(body))
}

#[tokio::test]
async fn each_route_answers_in_json() {
    let server = Running::start(daemon());
    for (request, key) in [
        ("GET /v1/status", "services"),
        ("GET /v1/explain?service=web&client=198.51.100.7", "hash_backend"),
        ("GET /v1/explain?service=web&client=2001:db8::7&port=4000", "if_backend_fails"),
        ("GET /v1/plan?config=%2Fetc%2Fnew%20file.toml", "sessions"),
        ("GET /v1/sessions?service=web&client=198.51.100.0/24&limit=5", "matching"),
        ("DELETE /v1/sessions?backend=web-1", "sessions"),
        ("POST /v1/reload", "changes"),
        ("POST /v1/backend?service=web&backend=web-1&action=drain&deadline_s=60", "changes"),
    ] {
        let answer = raw(UnixStream::connect(&server.socket).await.unwrap(), request).await;
        let (status, body) = parts(&answer);
        assert_eq!(status, "HTTP/1.1 200 OK", "{request}");
        assert!(body.get(key).is_some(), "{request}: {body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_refused_has_a_status_and_words() {
    let server = Running::start(Fixed {
        reload: Some(Err(Refusal::failed("cannot attach to eth0"))),
        ..Fixed::default()
    });
    for (request, status, kind, words) in [
        ("GET /v1/explain?service=shop&client=::1", 404, "not_found", "there is no service \"shop\""),
        ("GET /v1/explain?service=web&client=mars", 422, "invalid", "client"),
        ("GET /v1/explain?client=::1", 422, "invalid", "service"),
        ("GET /v1/explain?service=web&client=::1&port=65536", 422, "invalid", "port"),
        ("GET /v1/session", 404, "not_found", "no GET /v1/session"),
        ("GET /v1/sessions?client=mars", 422, "invalid", "client"),
        ("GET /v1/status", 500, "failed", "cannot read FLOWS: EPERM"),
        ("GET /v1/plan?config=/none", 422, "invalid", "cannot read /none"),
        ("GET /v1/plan", 422, "invalid", "config"),
        ("POST /v1/backend?service=shop&backend=a&action=reset", 404, "not_found", "no service \"shop\""),
        ("POST /v1/backend?service=web&backend=a&action=stop", 422, "invalid", "action"),
        ("POST /v1/backend?service=web&action=drain", 422, "invalid", "backend"),
        ("POST /v1/reload", 500, "failed", "cannot attach to eth0"),
    ] {
        let answer = raw(UnixStream::connect(&server.socket).await.unwrap(), request).await;
        let (line, body) = parts(&answer);
        assert!(line.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {line}");
        assert_eq!(body["kind"], kind, "{request}");
        assert!(body["message"].as_str().unwrap().contains(words), "{request}: {body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_post_changes_anything() {
    let server = Running::start(daemon());
    for request in ["GET /v1/reload", "GET /v1/backend?service=web&backend=web-1&action=drain"] {
        let answer = raw(UnixStream::connect(&server.socket).await.unwrap(), request).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }
    assert!(server.control.ordered.lock().unwrap().is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_bad_file_is_refused_with_its_errors() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let errors = config_errors(file.path());
    let refusal = Refusal::from(errors.clone());
    let server = Running::start(Fixed { reload: Some(Err(refusal.clone())), ..daemon() });
    let answer = raw(UnixStream::connect(&server.socket).await.unwrap(), "POST /v1/reload").await;
    let (line, body) = parts(&answer);
    assert_eq!(line, "HTTP/1.1 422 Unprocessable Entity");
    assert_eq!(serde_json::from_value::<Refusal>(body).unwrap(), refusal);
    assert_eq!((refusal.kind, &*refusal.errors), (RefusalKind::Invalid, errors.as_slice()));
    assert!(refusal.errors.len() >= 2, "{refusal:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_a_reload() {
    let gate = Arc::new(Gate::default());
    let server = Running::start(Fixed { gate: Some(Arc::clone(&gate)), ..daemon() });
    let mut stream = UnixStream::connect(&server.socket).await.unwrap();
    stream.write_all(b"POST /v1/reload HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    soon(gate.begun.notified()).await;
    drop(stream);
    // Once this answer is there, the server has seen the other connection end.
    raw(UnixStream::connect(&server.socket).await.unwrap(), "GET /v1/status").await;
    gate.let_on.notify_one();
    soon(gate.done.notified()).await;
    server.stop().await;
}

#[tokio::test]
async fn answers_under_way_are_finished_at_the_end() {
    let gate = Arc::new(Gate::default());
    let server = Running::start(Fixed { gate: Some(Arc::clone(&gate)), ..daemon() });
    let client = Client::new(&server.socket);
    let call = tokio::spawn(async move { client.reload().await });
    soon(gate.begun.notified()).await;
    let socket = server.socket.clone();
    let stopped = tokio::spawn(server.stop());
    soon(async {
        while UnixStream::connect(&socket).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // No new connections, but still there: the file goes last.
    assert!(socket.exists());
    gate.let_on.notify_one();
    assert_eq!(soon(call).await.unwrap().unwrap(), Reloaded { changes: Vec::new() });
    soon(stopped).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_never_finishes_does_not_hold_up_the_end() {
    let server = Running::start(daemon());
    let mut stream = UnixStream::connect(&server.socket).await.unwrap();
    stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost:").await.unwrap();
    // Answered after the other was accepted.
    raw(UnixStream::connect(&server.socket).await.unwrap(), "GET /v1/status").await;
    soon(server.stop()).await;
}
