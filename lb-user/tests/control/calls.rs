//! The client: what it asks, and how it puts what goes wrong.

use std::{os::unix::net::UnixListener, path::Path};

use lb_user::api::{CallError, Client, EventQuery, ExplainQuery, RefusalKind};
use nix::unistd::{Uid, setfsuid};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{Running, broken, daemon, explanation, nowhere, soon, status};

fn query(service: &str, client: &str, port: Option<u16>) -> ExplainQuery {
    ExplainQuery { service: service.into(), client: client.parse().ok(), port, ..ExplainQuery::default() }
}

#[tokio::test]
async fn answers_arrive_whole() {
    let server = Running::start(daemon());
    let client = Client::new(&server.socket);
    assert_eq!(client.status().await.unwrap(), status());
    assert_eq!(client.explain(&query("web", "198.51.100.7", None)).await.unwrap(), explanation());
    assert!(client.reload().await.unwrap().changes.is_empty());
    let later = client.events(EventQuery { after: 1 }).await.unwrap();
    assert_eq!((later.events, later.last, later.run), (vec![broken(2, "refused", None)], 2, 7));
    server.stop().await;
}

#[tokio::test]
async fn questions_arrive_as_asked() {
    let server = Running::start(daemon());
    let client = Client::new(&server.socket);
    let queries = [
        query("web", "198.51.100.7", None),
        query("web", "2001:db8::7", Some(40_112)),
        query("a b&c=d?#/ü%20+", "::ffff:10.0.0.1", Some(1)),
    ];
    for query in &queries {
        match client.explain(query).await {
            Ok(answer) => assert_eq!((answer.client, answer.port), (query.client, query.port)),
            Err(CallError::Refused(refusal)) => {
                assert_eq!(refusal.kind, RefusalKind::NotFound);
                assert_eq!(refusal.message, format!("there is no service {:?}", query.service));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(*server.control.asked.lock().unwrap(), queries);
    server.stop().await;
}

#[tokio::test]
async fn nobody_there() {
    let directory = TempDir::new().unwrap();
    let stale = directory.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    for socket in [nowhere(&directory), stale] {
        let error = Client::new(&socket).status().await.unwrap_err();
        let socket = socket.display();
        assert_eq!(
            error.to_string(),
            format!("no daemon answers at {socket}: is `limpet run` running? another socket: --socket")
        );
    }
}

/// The call of a user who is not root.
fn as_a_stranger(socket: &Path) -> CallError {
    let client = Client::new(socket);
    let call = move || {
        // Of this thread only. It takes root's right to pass over file modes, and does nothing to others.
        setfsuid(Uid::from_raw(65_534));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client.status()).unwrap_err()
    };
    std::thread::spawn(call).join().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn not_for_this_user() {
    use std::{fs, os::unix::fs::PermissionsExt};

    let server = Running::start(daemon());
    let rights = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    rights(server.socket.parent().unwrap(), 0o755);
    // Not even for our own user, should that not be root.
    rights(&server.socket, 0o000);
    let error = as_a_stranger(&server.socket);
    assert!(matches!(error, CallError::Denied(_)), "{error:?}");
    assert!(error.to_string().starts_with("permission denied at "), "{error}");
    server.stop().await;
}

/// What a client makes of a program that reads the request and says `answer`.
async fn told(answer: &'static [u8]) -> CallError {
    let directory = TempDir::new().unwrap();
    let socket = directory.path().join("other.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let program = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = stream.read(&mut [0; 1024]).await.unwrap();
        assert!(read > 0);
        stream.write_all(answer).await.unwrap();
    });
    let error = soon(Client::new(&socket).status()).await.unwrap_err();
    program.await.unwrap();
    error
}

#[tokio::test]
async fn not_a_limpet() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    ] {
        let error = told(answer).await;
        assert!(matches!(error, CallError::WrongAnswer { .. }), "{error:?}");
        assert!(error.to_string().ends_with("is no limpet, or one of another version"), "{error}");
    }
    for answer in [
        &b"220 mail.example ESMTP\r\n"[..],
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"version\": 1,",
    ] {
        let error = told(answer).await;
        assert!(matches!(error, CallError::Broken { .. }), "{error:?}");
        assert!(error.to_string().starts_with("cannot talk to the daemon at "), "{error}");
    }
}
