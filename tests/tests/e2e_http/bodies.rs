//! Large bodies: byte for byte, without being stored, and without others waiting for them.

use std::time::{Duration, Instant};

use lb_user::lab::{
    Family,
    client::connect,
    config::{Config, Health, Service},
    plan,
};
use limpet_tests::{
    Bed,
    http::{
        Scene, User,
        scene::{lab, shop, target},
    },
    memory,
    transfer::{self, Nginx, RandomFile},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::spawn_blocking,
};

/// A debug build takes a while.
const SIZE: u64 = 1 << 30;
/// KiB that a body may take in the daemon, the buffers of sockets not counted.
const ROOM: u64 = 16 << 10;

/// nginx for files in place of the application.
fn files() -> Service {
    let mut service = shop(1);
    service.backend[0].port = Some(80);
    service.health = Health::None;
    service
}

#[tokio::test]
async fn large_bodies_arrive_whole_and_are_not_stored() {
    let lab = lab(1);
    let file = RandomFile::new(SIZE).unwrap();
    let server = Nginx::start(&lab.backends()[0], &[80], &file).unwrap();
    let bed = Bed::in_lab(lab, Vec::new(), &Config::new(vec![files()])).await.unwrap();
    let source = plan::client(Family::V4, 0);
    // What a first request takes is taken.
    let mut user = User::new(0);
    user.asks(&bed.clients, target(), "/nothing").await;
    let daemon = bed.daemon.pid();
    let before = memory::of(daemon, "VmRSS").unwrap();
    memory::forget_peak(daemon).unwrap();
    let clients = bed.lab.clients().clone();
    spawn_blocking(move || {
        transfer::down(&clients, source, target(), &file).unwrap();
        transfer::up(&clients, source, target(), &file, &server).unwrap();
    })
    .await
    .unwrap();
    let peak = memory::of(daemon, "VmHWM").unwrap();
    assert!(peak < before + ROOM, "{before} KiB before, {peak} KiB at most");
}

/// Asks for so many bytes and reads nothing.
async fn begin(number: u8, bytes: usize) -> std::io::Result<TcpStream> {
    let mut stream = connect(plan::client(Family::V4, number), target()).await?;
    let request = format!("GET /bytes/{bytes} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    Ok(stream)
}

#[tokio::test]
async fn slow_readers_hold_nobody_up_and_take_no_memory() {
    const BYTES: usize = 64 << 20;
    let scene = Scene::new(1, vec![shop(1)]).await;
    let mut users = User::many(20);
    scene.homes(&mut users).await;
    let daemon = scene.bed.daemon.pid();
    let before = memory::of(daemon, "VmRSS").unwrap();
    let mut slow = Vec::new();
    for _ in 0..16 {
        slow.push(scene.bed.clients.spawn(begin(0, BYTES)).await.unwrap().unwrap());
    }
    for _ in 0..10 {
        let begun = Instant::now();
        let servers = scene.homes(&mut users).await;
        assert!(servers.iter().all(|server| server == "backend-1"), "{servers:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?} for twenty", begun.elapsed());
    }
    let after = memory::of(daemon, "VmRSS").unwrap();
    assert!(after < before + 2 * ROOM, "{before} KiB before, {after} KiB with slow readers");
    // One of them wakes up, and has missed nothing.
    let mut patient = slow.pop().unwrap();
    let read = scene.bed.clients.spawn(async move {
        let (mut all, mut buffer) = (0, vec![0; 1 << 16]);
        loop {
            match patient.read(&mut buffer).await? {
                0 => break std::io::Result::Ok(all),
                read => all += read,
            }
        }
    });
    // Chunks and fields come on top.
    let read = read.await.unwrap().unwrap();
    assert!((BYTES..BYTES + BYTES / 100).contains(&read), "{read}");
}
