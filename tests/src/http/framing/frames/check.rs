//! Plays a case.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, bail, ensure};

use super::{Fate, Frame, Frames, Kind, PREFACE, frame, request, wire::ACK, with};
use crate::http::framing::{Raw, Recorder, received::Received};

/// The stream on which is asked whether the connection goes on.
const PROBE: u32 = 0x00ff_ffff;

/// A connection with its preface sent.
pub async fn open(source: IpAddr, target: SocketAddr) -> Result<Raw> {
    let mut client = Raw::open(source, target).await?;
    client.send(PREFACE).await;
    client.send(&frame(Kind::Settings, 0, 0, &[])).await;
    Ok(client)
}

/// The next frame; `None` at the end.
pub async fn next(client: &mut Raw) -> Result<Option<Frame>> {
    loop {
        if let Some(frame) = Frame::take(client.buffer()) {
            if frame.kind == Kind::Settings as u8 && frame.flags & ACK == 0 {
                client.send(&super::frame(Kind::Settings, ACK, 0, &[])).await;
            }
            return Ok(Some(frame));
        }
        if !client.more().await? {
            return Ok(None);
        }
    }
}

/// What becomes of a stream: status, or code of RST_STREAM or GOAWAY, as a word and a number.
pub async fn outcome(client: &mut Raw, stream: u32) -> Result<(&'static str, u32)> {
    let mut status = None;
    loop {
        let Some(frame) = next(client).await? else { bail!("closed without a word") };
        let is_last = frame.flags & 1 != 0;
        if frame.kind == Kind::Goaway as u8 && frame.code() != Some(0) {
            return Ok(("GOAWAY", frame.code().context("no code")?));
        }
        if frame.stream != stream {
            continue;
        }
        if frame.kind == Kind::Reset as u8 {
            return Ok(("RST_STREAM", frame.code().context("no code")?));
        }
        if frame.kind == Kind::Headers as u8 && status.is_none() {
            status = Some(frame.status()?);
        }
        if let Some(status) = status.filter(|_| is_last) {
            return Ok(("status", status.into()));
        }
    }
}

/// Plays the client's part.
pub async fn play(row: Frames, source: IpAddr, target: SocketAddr) -> Result<()> {
    let mut client = open(source, target).await?;
    client.send(&row.sent).await;
    let outcome = outcome(&mut client, row.stream).await?;
    let expected: &[_] = match row.fate {
        Fate::Answer(status) => &[("status", status.into())],
        Fate::Reset(code) => &[("RST_STREAM", code as u32)],
        Fate::Goaway(code) => &[("GOAWAY", code as u32)],
        Fate::Either(code) => &[("RST_STREAM", code as u32), ("GOAWAY", code as u32)],
    };
    ensure!(expected.contains(&outcome), "{expected:?} expected, {outcome:?}");
    if outcome.0 == "GOAWAY" {
        client.rest().await?;
    }
    if row.fate.may_close() {
        return Ok(());
    }
    client.send(&request(PROBE, &with(&[(":path", "/probe")]))).await;
    let probe = self::outcome(&mut client, PROBE).await?;
    ensure!(probe == ("status", 200), "then: {probe:?}");
    Ok(())
}

/// Compares what the backend got.
pub fn compare(row: &Frames, backend: &Recorder) -> Result<()> {
    let mut requests = backend.take();
    requests.retain(|request| request.is_whole);
    if !row.fate.may_close() {
        let probe = requests.pop().context("no probe at the backend")?;
        ensure!(probe.summary() == "GET /probe", "the probe is {:?}", probe.summary());
    }
    let summaries: Vec<_> = requests.iter().map(Received::summary).collect();
    let is_expected = match row.seen {
        Some(expected) => summaries == expected,
        // What came before the error may have gone on.
        None if row.fate.may_close() => summaries.iter().all(|summary| summary == "GET /x"),
        None => summaries.is_empty(),
    };
    ensure!(is_expected, "{:?} expected, not {summaries:?}", row.seen);
    for request in requests {
        request.compare(row.shows, row.hides)?;
    }
    Ok(())
}
