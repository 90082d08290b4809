//! Requests that are nearly right: whatever becomes of them, the backend sees as many requests as the client gets answers
//! of it, each of them by the letter.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{Family, Size, config::Service, plan};
use limpet_tests::{
    Bed,
    http::framing::{Raw, Recorder, mutate, received::Received},
};
use rand::{SeedableRng as _, rngs::StdRng};

const SIZE: Size = Size { clients: 1, backends: 1 };
const PORT: u16 = 8080;
const REQUESTS: u64 = 3000;
/// After so many of them, nothing is to grow any more.
const WARM: u64 = 1000;
/// Kilobytes that the daemon may have more at the end than then.
const GROWTH: u64 = 8 << 10;

fn target() -> SocketAddr {
    SocketAddr::new(plan::vip(Family::V4), 80)
}

/// Sends it, and compares the answers with what came to the backend.
async fn check(bytes: &[u8], backend: &Recorder) -> Result<()> {
    let mut client = Raw::open(plan::client(Family::V4, 0), target()).await?;
    client.send(bytes).await;
    client.end().await;
    let said = client.rest().await?;
    let answers = String::from_utf8_lossy(&said).matches("x-name: ").count();
    let mut requests = backend.take();
    requests.retain(|request| request.is_whole);
    let summaries = || requests.iter().map(Received::summary).collect::<Vec<_>>();
    ensure!(answers == requests.len(), "{answers} answers to {:?}", summaries());
    for request in &requests {
        ensure!(request.faults.is_empty(), "{:?} in {:?}", request.faults, request.head);
    }
    Ok(())
}

fn kilobytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn nearly_right_requests() {
    let bed = Bed::without_servers(SIZE, vec![Service::http("web", target(), 1, PORT)]).await.unwrap();
    let backend = Arc::new(Recorder::start(&bed.lab, 0, PORT, "backend-1").await.unwrap());
    let first = bed.clients.spawn(play(0..WARM, Arc::clone(&backend))).await.unwrap();
    let before = kilobytes(bed.daemon.pid());
    let rest = bed.clients.spawn(play(WARM..REQUESTS, Arc::clone(&backend))).await.unwrap();
    let after = kilobytes(bed.daemon.pid());
    let log = bed.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
    first.and(rest).unwrap();
    assert!(after < before + GROWTH, "{before} kB, then {after} kB");
}

async fn play(seeds: std::ops::Range<u64>, backend: Arc<Recorder>) -> Result<()> {
    for seed in seeds {
        let bytes = mutate::request(&mut StdRng::seed_from_u64(seed));
        let checked = tokio::time::timeout(Duration::from_secs(10), check(&bytes, &backend)).await;
        checked
            .context("no end")?
            .with_context(|| format!("{seed}: {:?}", String::from_utf8_lossy(&bytes)))?;
    }
    Ok(())
}
