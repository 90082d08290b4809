//! Somebody with a browser: a cookie jar, and an address that changes.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{COOKIE, HOST, SET_COOKIE},
};
use hyper_util::rt::TokioIo;
use lb_user::lab::{
    Family,
    client::{Tasks, connect},
    plan,
};
use serde_json::Value;
use tokio::net::TcpStream;

use super::app::SERVER;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The backend that gave it; the status, where none did.
    #[must_use]
    pub fn server(&self) -> String {
        self.field(SERVER).unwrap_or_else(|| self.status.as_str().to_owned())
    }

    /// A field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// What the application says in JSON.
    #[must_use]
    pub fn report(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no report: {self:?}"))
    }

    /// Values of `Set-Cookie`.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<String> {
        let fields = self.headers.get_all(SET_COOKIE).iter();
        fields.map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned()).collect()
    }

    /// The one that sets this cookie.
    #[must_use]
    pub fn sets(&self, name: &str) -> Option<String> {
        let is_it = |field: &String| field.split_once('=').is_some_and(|(other, _)| other == name);
        self.set_cookies().into_iter().find(is_it)
    }
}

/// A request by a connection of its own.
pub async fn ask(source: IpAddr, target: SocketAddr, request: Request<Full<Bytes>>) -> Result<Answer> {
    let stream = connect(source, target).await.with_context(|| format!("{source} to {target}"))?;
    ask_by(stream, request).await
}

/// A request by this connection, which is closed then.
pub async fn ask_by(stream: TcpStream, request: Request<Full<Bytes>>) -> Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    drop(sender);
    driver.await?.context("the connection ended badly")?;
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    number: u32,
    moves: u32,
    /// Cookies by name.
    pub jar: BTreeMap<String, String>,
    /// Fields that each request has besides.
    pub fields: Vec<(&'static str, String)>,
}

impl User {
    /// Numbers below a thousand tell users apart.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self { number, moves: 0, jar: BTreeMap::new(), fields: Vec::new() }
    }

    /// As many of them.
    #[must_use]
    pub fn many(number: u32) -> Vec<Self> {
        (0..number).map(Self::new).collect()
    }

    /// Where the user is.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        plan::crowd(Family::V4, self.number + 1000 * self.moves)
    }

    /// Goes on from another address.
    pub fn moves(&mut self) {
        self.moves = (self.moves + 1) % 1000;
    }

    /// The value of `Cookie`.
    #[must_use]
    pub fn cookies(&self) -> Option<String> {
        let pairs: Vec<_> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// `GET` with all cookies.
    #[must_use]
    pub fn request(&self, target: SocketAddr, path: &str) -> Request<Full<Bytes>> {
        let mut request = Request::get(path).header(HOST, target.to_string());
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        if let Some(cookies) = self.cookies() {
            request = request.header(COOKIE, cookies);
        }
        request.body(Full::default()).expect("valid fields")
    }

    /// Remembers what an answer sets.
    pub fn keep(&mut self, answer: &Answer) {
        self.keep_all(&answer.set_cookies());
    }

    /// Remembers these values of `Set-Cookie`.
    pub fn keep_all(&mut self, fields: &[String]) {
        for field in fields {
            let pair = field.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Asks from where the user is.
    pub async fn asks(&mut self, clients: &Tasks, target: SocketAddr, path: &str) -> Answer {
        let asked = clients.spawn(ask(self.address(), target, self.request(target, path)));
        let answer = asked.await.expect("no panic");
        let answer = answer.unwrap_or_else(|error| panic!("user {} at {path}: {error:#}", self.number));
        self.keep(&answer);
        answer
    }
}

/// All of them ask at once, each from another address than before.
pub async fn all_ask(users: &mut [User], clients: &Tasks, target: SocketAddr, path: &str) -> Vec<Answer> {
    join_all(users.iter_mut().map(async |user| {
        user.moves();
        user.asks(clients, target, path).await
    }))
    .await
}
