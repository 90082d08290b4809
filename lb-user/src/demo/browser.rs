//! A client as a browser is one: it keeps the cookie that it is given, and sends it from wherever it is.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1,
    header::{COOKIE, HOST, SET_COOKIE},
};
use hyper_util::rt::TokioIo;

use super::round::{Answer, backend_index};
use crate::lab::client::connect;

/// What it remembers.
#[derive(Debug, Default)]
pub(super) struct Browser {
    cookie: Option<String>,
}

impl Browser {
    /// Asks from the address `source`, on a connection of its own; who answered.
    pub(super) async fn visit(&mut self, source: IpAddr, target: SocketAddr) -> Result<Answer> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(connect(source, target).await?)).await?;
        let mut request = Request::get("/").header(HOST, target.to_string());
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let answer = async move {
            let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
            let set = response.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
            // The pair comes first, attributes after it.
            let pair = set.and_then(|set| set.split(';').next()).map(str::to_owned);
            anyhow::Ok((pair, response.collect().await?.to_bytes()))
        };
        // The connection ends when the answer has dropped its sender. Its own error is the answer's too.
        let (answer, _) = tokio::join!(answer, connection);
        let (pair, body) = answer?;
        self.cookie = pair.or(self.cookie.take());
        Ok(backend_index(String::from_utf8_lossy(&body).trim()))
    }
}
