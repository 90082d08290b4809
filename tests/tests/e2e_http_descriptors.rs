//! More clients than the daemon may have files open: those who are there are served, the others as soon as there is room.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use futures_util::future::join_all;
use lb_user::lab::{
    Family,
    client::connect,
    config::{Config, Http, Service},
    plan,
};
use limpet_tests::{
    bed::PATIENCE,
    http::{
        Scene,
        scene::{lab, shop, target},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Files that the daemon may open.
const ALLOWED: usize = 600;
/// Of these, clients: nine of ten without those that it has open anyway, and of that three quarters.
const TAKEN_IN: usize = 365;
const CLIENTS: usize = 550;
/// Who is not answered within this time was not taken in.
const UNHEARD: Duration = Duration::from_secs(3);

/// A request on a connection, and the end of its answer.
async fn ask(stream: &mut TcpStream) -> anyhow::Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await?;
    hear(stream).await
}

async fn hear(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut answer = Vec::new();
    // Its report ends with the only brace that ends a line.
    while !answer.ends_with(b"}") {
        ensure!(stream.read_buf(&mut answer).await? > 0, "the connection has ended");
        ensure!(b"HTTP/1.1 200".starts_with(&answer[..answer.len().min(12)]), "{}", answer.escape_ascii());
    }
    Ok(())
}

#[tokio::test]
async fn clients_wait_for_others_to_leave() {
    let scene = Scene::with(lab(1), &Config::new(vec![])).await;
    let daemon = scene.bed.daemon.pid().to_string();
    let limit = format!("--nofile={ALLOWED}:{ALLOWED}");
    assert!(Command::new("prlimit").args([&limit, "--pid", &daemon]).status().unwrap().success());
    // The tier looks at the limit when its first service comes.
    let patient = Http { idle_timeout: Some("1h"), ..Http::default() };
    scene.reload(vec![Service { http: Some(patient), ..shop(1) }]);
    scene.until_all_up().await;

    let connections = scene.bed.clients.spawn(async {
        let mut connections = Vec::new();
        for number in 0..CLIENTS as u32 {
            connections.push(connect(plan::crowd(Family::V4, number), target()).await?);
        }
        anyhow::Ok(connections)
    });
    let mut connections = connections.await.unwrap().unwrap();
    let asked = join_all(connections.iter_mut().map(|connection| timeout(UNHEARD, ask(connection)))).await;
    let (mut served, mut waiting) = (Vec::new(), Vec::new());
    for (connection, answer) in connections.into_iter().zip(asked) {
        match answer {
            Ok(answer) => {
                answer.unwrap();
                served.push(connection);
            }
            Err(_) => waiting.push(connection),
        }
    }
    assert!(served.len().abs_diff(TAKEN_IN) < 30, "{} are served:\n{}", served.len(), scene.bed.daemon.log());
    // All who are there at once, for whom there are not enough descriptors: they get them in turn.
    for connection in &mut served {
        connection.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
    }
    for connection in &mut served {
        timeout(PATIENCE, hear(connection)).await.context("not served").unwrap().unwrap();
    }
    served.truncate(TAKEN_IN - waiting.len() - 50);
    for connection in &mut waiting {
        timeout(PATIENCE, hear(connection)).await.context("not taken in").unwrap().unwrap();
    }
    // Checks found their descriptors all the while.
    assert!(scene.bed.daemon.status().unwrap().all("up"));
    assert!(!scene.bed.daemon.log().contains("Too many open files"), "{}", scene.bed.daemon.log());
}
