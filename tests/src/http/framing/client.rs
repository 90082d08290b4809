//! A client that writes bytes as they are and takes answers by the letter.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use lb_user::lab::client;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::received::find;

/// How long an answer may take that is due. Far above what it takes.
const PATIENCE: Duration = Duration::from_secs(8);

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// 100..=599.
    pub status: u16,
    /// As it came.
    pub head: String,
    /// Without its framing.
    pub body: Vec<u8>,
    /// It came to its end.
    pub is_whole: bool,
}

impl Answer {
    /// The first value of a field.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let fields = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        fields.clone().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// A connection.
#[derive(Debug)]
pub struct Raw {
    /// The connection.
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Raw {
    /// Opens it.
    pub async fn open(source: IpAddr, target: SocketAddr) -> Result<Self> {
        let stream = client::connect(source, target).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Sends this. What the other side does not take any more is not missed.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Says that this was all.
    pub async fn end(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Takes more in; not so at the end.
    pub async fn more(&mut self) -> Result<bool> {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        match read.context("neither an answer nor an end")? {
            Ok(bytes) => Ok(bytes > 0),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What has come and was not asked for.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Takes in all that comes until the connection is closed.
    pub async fn rest(&mut self) -> Result<Vec<u8>> {
        while self.more().await? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// The next answer; nothing, where the connection is closed before. An answer without a body is one to `HEAD`.
    pub async fn answer(&mut self, has_body: bool) -> Result<Option<Answer>> {
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end,
                None if self.more().await? => {}
                None if self.buffer.is_empty() => return Ok(None),
                None => bail!("an answer breaks off: {:?}", String::from_utf8_lossy(&self.buffer)),
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect())?;
        let head = head.trim_end().to_owned();
        let status = head.strip_prefix("HTTP/1.").and_then(|line| line.get(2..5)?.parse().ok());
        let mut answer = Answer { status: status.context(head.clone())?, head, ..Answer::default() };
        let names = ["content-length", "transfer-encoding"].map(|name| answer.value(name).map(str::to_owned));
        answer.is_whole = match names {
            _ if !has_body || matches!(answer.status, 100..200 | 204 | 304) => true,
            [None, None] => {
                answer.body = self.rest().await?;
                true
            }
            [Some(length), None] => self.exactly(length.parse()?, &mut answer.body).await?,
            [None, Some(_)] => self.chunks(&mut answer.body).await?,
            [Some(_), Some(_)] => bail!("a length and a coding: {}", answer.head),
        };
        Ok(Some(answer))
    }

    /// Takes so many bytes; not so where fewer come.
    async fn exactly(&mut self, length: usize, body: &mut Vec<u8>) -> Result<bool> {
        while self.buffer.len() < length && self.more().await? {}
        let there = self.buffer.len().min(length);
        body.extend(self.buffer.drain(..there));
        Ok(there == length)
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> Result<bool> {
        loop {
            let Some(line) = find(&self.buffer, b"\r\n") else {
                if self.more().await? {
                    continue;
                }
                return Ok(false);
            };
            let digits: Vec<_> = self.buffer.drain(..line + 2).collect();
            let size = usize::from_str_radix(std::str::from_utf8(&digits)?.trim_end(), 16)?;
            if size == 0 {
                return self.trailers().await;
            }
            let mut end = Vec::new();
            if !self.exactly(size, body).await? || !self.exactly(2, &mut end).await? {
                return Ok(false);
            }
            ensure!(end == b"\r\n", "a chunk ends in {end:?}");
        }
    }

    async fn trailers(&mut self) -> Result<bool> {
        loop {
            match find(&self.buffer, b"\r\n") {
                Some(0) => {
                    self.buffer.drain(..2);
                    return Ok(true);
                }
                Some(line) => drop(self.buffer.drain(..line + 2)),
                None if self.more().await? => {}
                None => return Ok(false),
            }
        }
    }
}
