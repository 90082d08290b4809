//! The socket's file: who gets it, with which rights, and when it goes.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
    sync::Barrier,
};

use lb_user::api::{Socket, SocketError};
use tempfile::TempDir;

use crate::fixture::{Running, daemon};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A socket's file that nobody listens at any more.
fn stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    assert!(path.exists());
}

#[tokio::test]
async fn made_with_its_directory_for_user_and_group() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("run/limpet/limpet.sock");
    let socket = Socket::bind(&path).unwrap();
    assert_eq!(mode(&path), 0o660);
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn removed_at_a_clean_exit() {
    let server = Running::start(daemon());
    let path = server.socket.clone();
    assert!(path.exists());
    let _directory = server.stop().await;
    assert!(!path.exists());
    let _again = Socket::bind(&path).unwrap();
}

#[tokio::test]
async fn a_dead_daemons_is_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("limpet.sock");
    stale(&path);
    let _socket = Socket::bind(&path).unwrap();
    tokio::net::UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn a_living_daemon_keeps_its_own() {
    let server = Running::start(daemon());
    let error = Socket::bind(&server.socket).unwrap_err();
    assert!(matches!(error, SocketError::InUse { .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.starts_with(&format!("another limpet answers at {}; ", server.socket.display())),
        "{message}"
    );
    lb_user::api::Client::new(&server.socket).status().await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn other_programs_keep_theirs() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("limpet.sock");
    let _other = UnixListener::bind(&path).unwrap();
    let error = Socket::bind(&path).unwrap_err().to_string();
    assert!(error.starts_with("another program answers at "), "{error}");
    std::os::unix::net::UnixStream::connect(&path).unwrap();

    let file = directory.path().join("notes.txt");
    fs::write(&file, "mine").unwrap();
    let error = Socket::bind(&file).unwrap_err().to_string();
    assert!(error.ends_with("notes.txt is not a socket; remove it, or choose another --socket"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[tokio::test]
async fn what_the_system_refuses_is_said_with_the_file() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Socket::bind(&file.join("limpet.sock")).unwrap_err().to_string();
    assert_eq!(error, format!("cannot create the directory {}", file.display()));
    // sun_path has room for 107 bytes.
    let long = directory.path().join("x".repeat(108));
    let error = Socket::bind(&long).unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen at {}", long.display()));
}

#[tokio::test]
async fn of_many_that_start_at_once_one_gets_it() {
    const STARTS: usize = 8;
    let runtime = tokio::runtime::Handle::current();
    for _ in 0..1_000 {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("limpet.sock");
        stale(&path);
        let barrier = Barrier::new(STARTS);
        let bound: Vec<_> = std::thread::scope(|scope| {
            let start = || {
                let _guard = runtime.enter();
                barrier.wait();
                Socket::bind(&path)
            };
            let threads: Vec<_> = (0..STARTS).map(|_| scope.spawn(start)).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap().ok()).collect()
        });
        assert_eq!(bound.len(), 1);
        tokio::net::UnixStream::connect(&path).await.unwrap();
    }
}
