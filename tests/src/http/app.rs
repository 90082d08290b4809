//! A small application with sessions of its own. It says what it was asked, as it saw it.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    error::Error,
    io,
    net::{Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Result;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{COOKIE, HeaderValue, SET_COOKIE, TRAILER},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use lb_user::lab::{Netns, client::Tasks};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

/// How long `/slow` takes: longer than a daemon takes to start.
const SLOW: Duration = Duration::from_secs(4);

/// The cookie of its sessions.
pub const SESSION: &str = "JSESSIONID";

/// The field in which every answer says who gave it.
pub const SERVER: &str = "x-server";

type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// A running application. Dropping it cuts its connections, and its port refuses.
pub struct App {
    _tasks: Tasks,
    facts: Arc<Facts>,
}

/// What it knows.
#[derive(Default)]
struct Facts {
    name: String,
    sessions: Mutex<BTreeSet<String>>,
    connections: AtomicU64,
    requests: AtomicU64,
}

impl App {
    /// Starts it in `namespace`, at `port` of all addresses. It speaks HTTP/1.1 and HTTP/2.
    pub async fn start(namespace: &Netns, name: String, port: u16) -> Result<Self> {
        let tasks = Tasks::inside(namespace)?;
        let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let listener = tasks.spawn(TcpListener::bind(address)).await??;
        let facts = Arc::new(Facts { name, ..Facts::default() });
        tasks.spawn(accept(listener, Arc::clone(&facts)));
        Ok(Self { _tasks: tasks, facts })
    }

    /// Connections that it has taken.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.facts.connections.load(Relaxed)
    }

    /// Requests that it has taken, those of health checks included.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.facts.requests.load(Relaxed)
    }
}

async fn accept(listener: TcpListener, facts: Arc<Facts>) {
    while let Ok((stream, _)) = listener.accept().await {
        let number = facts.connections.fetch_add(1, Relaxed);
        let facts = Arc::clone(&facts);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let facts = Arc::clone(&facts);
                async move { Ok::<_, Infallible>(facts.answer(request, number).await) }
            });
            let builder = auto::Builder::new(TokioExecutor::new());
            // An error here is a client that went away.
            let _ended = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
        });
    }
}

impl Facts {
    async fn answer(&self, request: Request<Incoming>, connection: u64) -> Response<Body> {
        self.requests.fetch_add(1, Relaxed);
        let mut response = match request.uri().path() {
            "/ws" => self.upgrade(request),
            "/echo" => echo(request),
            "/login" => self.login(),
            "/slow" => {
                tokio::time::sleep(SLOW).await;
                Response::new(text("at last\n".to_owned()))
            }
            path if path.starts_with("/bytes/") => bytes(path),
            _ => self.report(request, connection).await.unwrap_or_else(|_cut| {
                let mut response = Response::new(text(String::new()));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response
            }),
        };
        response.headers_mut().insert(SERVER, HeaderValue::from_str(&self.name).expect("a name"));
        response
    }

    /// Begins a session.
    fn login(&self) -> Response<Body> {
        let session = format!("{:032x}", rand::random::<u128>());
        let cookie = format!("{SESSION}={session}; Path=/; HttpOnly");
        self.sessions.lock().expect("no panic").insert(session);
        let mut response = Response::new(text("welcome\n".to_owned()));
        response.headers_mut().insert(SET_COOKIE, HeaderValue::from_str(&cookie).expect("a cookie"));
        response
    }

    /// What the request was, in JSON.
    async fn report(&self, request: Request<Incoming>, connection: u64) -> hyper::Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let session = match cookie(&parts.headers, SESSION) {
            None => "none",
            Some(id) if self.sessions.lock().expect("no panic").contains(&id) => "known",
            Some(_) => "unknown",
        };
        let body = body.collect().await?;
        let trailers = body.trailers().map(fields).unwrap_or_default();
        let report = json!({
            "server": self.name,
            "method": parts.method.as_str(),
            "target": parts.uri.path_and_query().map(ToString::to_string),
            "version": format!("{:?}", parts.version),
            "headers": fields(&parts.headers),
            "trailers": trailers,
            "length": body.to_bytes().len(),
            "session": session,
            "connection": connection,
        });
        Ok(Response::new(text(report.to_string())))
    }

    /// Becomes a WebSocket that says what it hears, and who it is.
    fn upgrade(&self, mut request: Request<Incoming>) -> Response<Body> {
        let key = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
        let Some(key) = key else {
            let mut response = Response::new(text("this is for WebSockets\n".to_owned()));
            *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
            return response;
        };
        let name = self.name.clone();
        tokio::spawn(async move {
            let upgraded = TokioIo::new(hyper::upgrade::on(&mut request).await.map_err(io::Error::other)?);
            let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                let answer = match message {
                    Message::Text(words) => Message::text(format!("{name}: {words}")),
                    Message::Binary(bytes) => Message::Binary(bytes),
                    _ => continue,
                };
                if socket.send(answer).await.is_err() {
                    break;
                }
            }
            io::Result::Ok(())
        });
        Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", key)
            .body(text(String::new()))
            .expect("valid fields")
    }
}

/// The body as it comes, and what follows it.
fn echo(request: Request<Incoming>) -> Response<Body> {
    let announced = request.headers().get(TRAILER).cloned();
    let mut response = Response::new(request.into_body().map_err(Into::into).boxed_unsync());
    response.headers_mut().extend(announced.map(|names| (TRAILER, names)));
    response
}

/// As many zeros as the path says, in pieces and without a length.
fn bytes(path: &str) -> Response<Body> {
    const PIECE: usize = 64 << 10;
    let wanted: usize = path.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    let pieces = (0..wanted).step_by(PIECE).map(move |at| {
        let piece = Bytes::from_static(&[0; PIECE]).slice(..PIECE.min(wanted - at));
        Ok(hyper::body::Frame::data(piece))
    });
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(pieces));
    Response::new(body.boxed_unsync())
}

fn text(words: String) -> Body {
    Full::new(Bytes::from(words)).map_err(|never| match never {}).boxed_unsync()
}

/// The value of a cookie.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(other, _)| *other == name).map(|(_, value)| value.to_owned())
}

/// Fields by name; those of one name as one.
fn fields(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut all = BTreeMap::<_, String>::new();
    for (name, value) in headers {
        let joined = all.entry(name.to_string()).or_default();
        if !joined.is_empty() {
            joined.push_str(" | ");
        }
        joined.push_str(&String::from_utf8_lossy(value.as_bytes()));
    }
    all
}
