//! Clients that let others wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lb_user::lab::{Family, plan};
use tokio::{io::AsyncWriteExt as _, time::sleep};

use super::{BODY, GET, HEADER, IDLE, SOON, closed_soon, open, target};
use crate::http::framing::{
    Recorder, Script,
    frames::{self, Kind, PLAIN, check, frame},
};

/// A byte of a header section now and then.
pub async fn slow_header(first: &'static [u8]) -> Result<()> {
    let mut client = open(HEADER).await?;
    client.send(first).await;
    if !first.is_empty() {
        client.answer(true).await?;
    }
    let start = Instant::now();
    let mut bytes = b"GET /x HTTP/1.1\r\nHost: h\r\nX-A: bbbbbbbbbbbbbbbbbbbbbbbb".iter();
    while start.elapsed() < Duration::from_millis(2500) {
        if client.stream.write_all(&[*bytes.next().context("it took them all")?]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    ensure!(SOON.contains(&start.elapsed()), "closed after {:?}", start.elapsed());
    Ok(())
}

/// An upload that stands still.
pub async fn stalled_upload(head: &'static str) -> Result<()> {
    let mut client = open(BODY).await?;
    client.send(head.as_bytes()).await;
    let start = Instant::now();
    let answer = client.answer(true).await?.context("closed")?;
    ensure!(answer.status == 408, "{}", answer.head);
    closed_soon(&mut client, start).await?;
    Ok(())
}

/// The same over HTTP/2.
pub async fn stalled_stream() -> Result<()> {
    let mut client = check::open(plan::client(Family::V4, 0), target(BODY)).await?;
    client.send(&frames::head(1, &frames::with(&[(":method", "POST")]))).await;
    client.send(&frame(Kind::Data, 0, 1, b"hell")).await;
    let start = Instant::now();
    let outcome = check::outcome(&mut client, 1).await?;
    ensure!(outcome == ("status", 408), "{outcome:?}");
    ensure!(SOON.contains(&start.elapsed()), "answered after {:?}", start.elapsed());
    Ok(())
}

/// An upload of which a piece comes before each timeout.
pub async fn slow_upload() -> Result<()> {
    let mut client = open(BODY).await?;
    client.send(b"POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n").await;
    for byte in b"hello" {
        sleep(Duration::from_millis(500)).await;
        client.send(&[*byte]).await;
    }
    let answer = client.answer(true).await?.context("closed")?;
    ensure!(answer.status == 200, "{}", answer.head);
    Ok(())
}

/// Connections without a request, or without another.
pub async fn idle() -> Result<()> {
    for first in [&b""[..], GET] {
        let mut client = open(IDLE).await?;
        client.send(first).await;
        if !first.is_empty() {
            client.answer(true).await?;
        }
        let start = Instant::now();
        closed_soon(&mut client, start).await?;
    }
    let mut client = check::open(plan::client(Family::V4, 0), target(IDLE)).await?;
    client.send(&frames::request(1, &PLAIN)).await;
    let outcome = check::outcome(&mut client, 1).await?;
    ensure!(outcome == ("status", 200), "{outcome:?}");
    let start = Instant::now();
    closed_soon(&mut client, start).await?;
    Ok(())
}

/// A download that nobody takes, over HTTP/1.1.
pub async fn unread(backend: Arc<Recorder>) -> Result<()> {
    let mut client = open(BODY).await?;
    let length = 32 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let bytes = [head.into_bytes(), vec![b'x'; length]].concat();
    backend.answer_once(Script { bytes, closes: false, after: Duration::ZERO });
    client.send(GET).await;
    sleep(Duration::from_millis(3500)).await;
    let rest = client.rest().await?;
    ensure!(rest.len() < length, "all {} bytes came", rest.len());
    Ok(())
}

/// The same over HTTP/2, where a client can be there and let the stream stand still: others of its streams go on.
pub async fn unread_stream(backend: Arc<Recorder>) -> Result<()> {
    let mut client = check::open(plan::client(Family::V4, 0), target(BODY)).await?;
    let length = 8 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let bytes = [head.into_bytes(), vec![b'x'; length]].concat();
    backend.answer_once(Script { bytes, closes: false, after: Duration::ZERO });
    // The connection's window is not what stops it.
    client.send(&frame(Kind::Window, 0, 0, &(1_u32 << 24).to_be_bytes())).await;
    client.send(&frames::request(1, &PLAIN)).await;
    let start = Instant::now();
    let outcome = check::outcome(&mut client, 1).await?;
    ensure!(outcome.0 == "RST_STREAM", "{outcome:?}");
    ensure!(SOON.contains(&start.elapsed()), "reset after {:?}", start.elapsed());
    client.send(&frames::request(3, &PLAIN)).await;
    let outcome = check::outcome(&mut client, 3).await?;
    ensure!(outcome == ("status", 200), "{outcome:?}");
    Ok(())
}
