//! Plays a case.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    After, Raw, Recorder, Row, Script, Seen,
    received::{self, Received},
    replies::{Got, Reply},
};

/// What is asked on the same connection to see whether it goes on.
const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";

/// Plays the client's part.
pub async fn play(row: Row, source: IpAddr, target: SocketAddr) -> Result<()> {
    let mut client = Raw::open(source, target).await?;
    client.send(&row.sent).await;
    if row.after == After::Ended {
        client.end().await;
    }
    let has_body = !row.sent.starts_with(b"HEAD ");
    for expected in row.answers {
        let answer = client.answer(has_body).await?;
        let answer = answer.with_context(|| format!("closed instead of {expected}"))?;
        ensure!(answer.status == *expected, "{expected} expected, {:?}", answer.head);
        ensure!(answer.is_whole, "an answer breaks off: {}", answer.head);
    }
    if row.after == After::Open {
        client.send(PROBE).await;
        let answer = client.answer(true).await?.context("closed instead of open")?;
        ensure!(answer.status == 200 && answer.body == b"/probe", "another answer: {answer:?}");
    }
    let rest = client.rest().await?;
    ensure!(rest.is_empty(), "more than expected: {:?}", String::from_utf8_lossy(&rest));
    Ok(())
}

/// Compares what the backend got. `late`: broken requests of earlier cases that it may see only now.
pub fn compare(row: &Row, backend: &Recorder, late: &mut usize) -> Result<()> {
    let mut requests = backend.take();
    // A client may learn that its request is broken before the backend sees its beginning, or that it ends there.
    let most = usize::from(row.after == After::Open)
        + match row.seen {
            Seen::Nothing => 0,
            Seen::Broken => 1,
            Seen::All(expected) => expected.len(),
        };
    while *late > 0
        && requests.len() > most
        && let Some(at) = requests.iter().position(|request| !request.is_whole)
    {
        requests.remove(at);
        *late -= 1;
    }
    if row.after == After::Open {
        let probe = requests.pop().context("no probe at the backend")?;
        ensure!(probe.summary() == "GET /probe", "the probe is {:?}", probe.summary());
        ensure!(probe.faults.is_empty(), "the probe: {:?}", probe.faults);
    }
    *late += usize::from(matches!(row.seen, Seen::Broken) && requests.is_empty());
    let summaries: Vec<_> = requests.iter().map(Received::summary).collect();
    let is_expected = match row.seen {
        Seen::Nothing => requests.is_empty(),
        Seen::Broken => requests.len() <= 1 && requests.iter().all(|request| !request.is_whole),
        Seen::All(expected) => summaries == expected,
    };
    ensure!(is_expected, "{:?} expected at the backend, not {summaries:?}", row.seen);
    for request in requests.iter().filter(|request| request.is_whole) {
        request.compare(row.shows, row.hides)?;
    }
    Ok(())
}

/// Has the backend answer, and compares what the client gets.
pub async fn answered(row: Reply, source: IpAddr, target: SocketAddr, backend: Arc<Recorder>) -> Result<()> {
    let (bytes, closes) = (row.bytes.clone(), row.closes);
    backend.answer_once(Script { bytes, closes, after: Duration::ZERO });
    let mut client = Raw::open(source, target).await?;
    client.send(format!("{} /x HTTP/1.1\r\nHost: h\r\n\r\n", row.method).as_bytes()).await;
    let answer = client.answer(row.method != "HEAD").await?.context("closed without an answer")?;
    let body = String::from_utf8_lossy(&answer.body);
    match row.got {
        Got::Broken => {
            ensure!(answer.status == 200 && !answer.is_whole, "looks whole: {answer:?}");
            return Ok(());
        }
        Got::Whole(status, expected) => {
            let is_it = answer.status == status && answer.is_whole && body == expected;
            ensure!(is_it, "{status} expected, {:?} and {body:?}", answer.head);
        }
    }
    received::compare(&answer.head, row.shows, row.hides)?;
    // The next one gets an answer of its own.
    client.send(PROBE).await;
    let answer = client.answer(true).await?.context("closed instead of open")?;
    ensure!(answer.status == 200 && answer.body == b"/probe", "another answer: {answer:?}");
    Ok(())
}
