//! Ten thousand clients who keep their connections and say nothing: what they take of the daemon's memory.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use lb_user::lab::{
    Family,
    client::connect,
    config::{Http, Service},
    plan,
};
use limpet_tests::{
    bed::PATIENCE,
    http::{
        Scene, User,
        scene::{shop, target},
    },
    memory,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const CONNECTIONS: u32 = 10_000;
/// Those that are opened at once.
const AT_ONCE: u32 = 100;
/// KiB: 300 MB. A debug build takes some 20 MB more than a release.
const ROOM: u64 = 300_000_000 >> 10;
/// Descriptors that a process needs besides.
const OTHERS: u64 = 500;
/// Descriptors that the daemon must be allowed: it leaves some to backends, health checks and commands.
const ALLOWED: u64 = 16_000;

/// A request and its answer, to the end of its body; the connection stays.
async fn visit(number: u32) -> anyhow::Result<TcpStream> {
    timeout(PATIENCE, visit_patiently(number)).await.context("nobody answers")?
}

async fn visit_patiently(number: u32) -> anyhow::Result<TcpStream> {
    let mut stream = connect(plan::crowd(Family::V4, number), target()).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await?;
    again(&mut stream).await?;
    Ok(stream)
}

/// Reads an answer.
async fn again(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut answer = Vec::new();
    // A report ends with the only brace that ends a line's text.
    while !answer.ends_with(b"}") {
        anyhow::ensure!(stream.read_buf(&mut answer).await? > 0, "the connection has ended");
    }
    anyhow::ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

#[tokio::test]
async fn ten_thousand_idle_connections() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard >= ALLOWED, "{hard} files may be open (ulimit -Hn): allow {ALLOWED}");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let patient = Http { idle_timeout: Some("1h"), ..Http::default() };
    let scene = Scene::new(1, vec![Service { http: Some(patient), ..shop(1) }]).await;
    let daemon = scene.bed.daemon.pid();
    let before = memory::of(daemon, "VmRSS").unwrap();
    let mut open = Vec::new();
    for first in (0..CONNECTIONS).step_by(AT_ONCE as usize) {
        let visits: Vec<_> =
            (first..first + AT_ONCE).map(|number| scene.bed.clients.spawn(visit(number))).collect();
        for visit in visits {
            open.push(visit.await.unwrap().unwrap());
        }
    }
    let taken = memory::of(daemon, "VmRSS").unwrap();
    let files = fs::read_dir(format!("/proc/{daemon}/fd")).unwrap().count();
    assert!(files > CONNECTIONS as usize, "{files}: they are open");
    let [own, files] = ["RssAnon", "RssFile"].map(|what| memory::of(daemon, what).unwrap());
    eprintln!(
        "{before} KiB before, {taken} KiB with {CONNECTIONS} connections: {own} its own, {files} of files"
    );
    assert!(taken < ROOM, "{taken} KiB, {before} KiB without them");
    // They are there when they are needed.
    for stream in open.iter_mut().step_by(500) {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
        again(stream).await.unwrap();
    }
    let begun = Instant::now();
    drop(open);
    while fs::read_dir(format!("/proc/{daemon}/fd")).unwrap().count() > OTHERS as usize {
        assert!(begun.elapsed() < PATIENCE, "descriptors are not given back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut user = User::new(0);
    assert!(scene.asks(&mut user, "/").await.status.is_success());
}
