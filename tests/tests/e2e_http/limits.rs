//! Limits, and what becomes of clients and backends that let others wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{Family, Size, plan};
use limpet_tests::{
    Bed,
    http::framing::{
        Recorder, Script,
        frames::{self, check},
        limits::{
            GET, LARGE, PORT, REFUSING, RESPONSE, SMALL, SOON, UNREACHABLE, UPGRADE, closed_soon, open,
            services,
            slow::{idle, slow_header, slow_upload, stalled_stream, stalled_upload, unread, unread_stream},
            target,
        },
    },
};
use tokio::time::sleep;

const SIZE: Size = Size { clients: 1, backends: 1 };
/// The status of the answer to this, which closes the connection or not.
async fn asked(service: u16, bytes: Vec<u8>) -> Result<(u16, Duration)> {
    let start = Instant::now();
    let mut client = open(service).await?;
    client.send(&bytes).await;
    let answer = client.answer(true).await?.context("closed")?;
    Ok((answer.status, start.elapsed()))
}

async fn sizes() -> Result<()> {
    let post =
        |fields: &str, body: &str| format!("POST /x HTTP/1.1\r\nHost: h\r\n{fields}\r\n{body}").into_bytes();
    let chunked = |bytes: usize| {
        let chunk = format!("64\r\n{}\r\n", "x".repeat(100)).repeat(bytes / 100);
        post("Transfer-Encoding: chunked\r\n", &format!("{chunk}0\r\n\r\n"))
    };
    let get = |fields: &str| format!("GET /x HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes();
    let long = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(bytes)).into_bytes();
    for (what, service, bytes, expected) in [
        ("a body of the limit", SMALL, post("Content-Length: 1000\r\n", &"x".repeat(1000)), 200),
        ("a body beyond it", SMALL, post("Content-Length: 1001\r\n", ""), 413),
        ("chunks of the limit", SMALL, chunked(1000), 200),
        ("chunks beyond it", SMALL, chunked(1100), 413),
        ("chunks without end", SMALL, chunked(1_000_000), 413),
        ("fields within the limit", SMALL, get(&format!("X-A: {}\r\n", "x".repeat(7000))), 200),
        ("fields beyond it", SMALL, get(&format!("X-A: {}\r\n", "x".repeat(9000))), 431),
        ("a target beyond it", SMALL, long(9000), 431),
        ("a long target", LARGE, long(60_000), 200),
        ("a target of more than 65,534 bytes", LARGE, long(65_534), 414),
        ("fields of 150,000 bytes", LARGE, get(&format!("X-A: {}\r\n", "x".repeat(150_000))), 200),
    ] {
        let (status, _) = asked(service, bytes).await.context(what)?;
        ensure!(status == expected, "{what}: {status}");
    }
    let mut client = check::open(plan::client(Family::V4, 0), target(SMALL)).await?;
    let value = "x".repeat(9000);
    client.send(&frames::request(1, &frames::with(&[("x-a", &value)]))).await;
    let outcome = check::outcome(&mut client, 1).await?;
    ensure!(outcome == ("status", 431), "{outcome:?}");
    Ok(())
}

/// A backend that doesn't answer, can't be reached, or refuses.
async fn late(backend: Arc<Recorder>) -> Result<()> {
    let usual = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
    backend.answer_once(Script { bytes: usual, closes: false, after: Duration::from_secs(3) });
    for (service, expected, is_soon) in
        [(RESPONSE, 504, true), (UNREACHABLE, 502, true), (REFUSING, 502, false)]
    {
        let (status, took) = asked(service, GET.to_vec()).await?;
        ensure!(status == expected, "{service}: {status}");
        ensure!(SOON.contains(&took) == is_soon, "{service}: {took:?}");
    }
    Ok(())
}

/// An upgraded connection on which nobody says anything.
async fn upgraded(backend: Arc<Recorder>) -> Result<()> {
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n".to_vec();
    backend.answer_once(Script { bytes: switch, closes: false, after: Duration::ZERO });
    let mut client = open(UPGRADE).await?;
    client.send(b"GET /up HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n").await;
    let answer = client.answer(true).await?.context("closed")?;
    ensure!(answer.status == 101, "{}", answer.head);
    for _ in 0..3 {
        sleep(Duration::from_millis(500)).await;
        client.send(b"x").await;
    }
    let start = Instant::now();
    closed_soon(&mut client, start).await?;
    Ok(())
}

#[tokio::test]
async fn limits() {
    let bed = Bed::without_servers(SIZE, services()).await.unwrap();
    let backend = Arc::new(Recorder::start(&bed.lab, 0, PORT, "backend-1").await.unwrap());
    let run = async |name: &str, test: std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>| {
        let result = bed.clients.spawn(test).await.unwrap();
        result.err().map(|fault| format!("{name}: {fault:#}"))
    };
    // Those that have the backend do something have it for themselves.
    let mut faults = vec![
        run("unread", Box::pin(unread(Arc::clone(&backend)))).await,
        run("unread stream", Box::pin(unread_stream(Arc::clone(&backend)))).await,
        run("late", Box::pin(late(Arc::clone(&backend)))).await,
        run("upgraded", Box::pin(upgraded(Arc::clone(&backend)))).await,
    ];
    let together = tokio::join!(
        run("slow header", Box::pin(slow_header(b""))),
        run("slow second header", Box::pin(slow_header(GET))),
        run(
            "stalled upload",
            Box::pin(stalled_upload("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell"))
        ),
        run(
            "stalled chunks",
            Box::pin(stalled_upload(
                "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell"
            ))
        ),
        run("stalled stream", Box::pin(stalled_stream())),
        run("slow upload", Box::pin(slow_upload())),
        run("idle", Box::pin(idle())),
        run("sizes", Box::pin(sizes())),
    );
    faults.extend(<[_; 8]>::from(together));
    let faults: Vec<_> = faults.into_iter().flatten().collect();
    let log = bed.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(faults.is_empty(), "{faults:#?}");
}
