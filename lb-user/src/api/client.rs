//! The commands' side of the control API.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::{
    BackendOrder, CrowdQuery, Crowds, Dropped, EventQuery, Events, ExplainQuery, Explanation, Forecast,
    HandOver, HandedOver, Move, MoveOrder, Moves, PlanQuery, Refusal, Reloaded, SessionFilter, SessionList,
    Status, UndoOrder, Undone,
};

/// A daemon that takes longer than this for an answer is taken to hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// Talks to the daemon at one socket: a connection for each call.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens.
    #[error("no daemon answers at {}: is `limpet run` running? another socket: --socket", .0.display())]
    NoDaemon(PathBuf),
    /// The socket is not for this user.
    #[error("permission denied at {}: become root or a member of the socket's group", .0.display())]
    Denied(PathBuf),
    /// The connection could not be made or did not last.
    #[error("cannot talk to the daemon at {}", socket.display())]
    Broken {
        /// Where.
        socket: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer does not come.
    #[error("the daemon at {} gave no answer within {} s", .0.display(), PATIENCE.as_secs())]
    Slow(PathBuf),
    /// What came is not an answer of limpet's.
    #[error("what answers at {} ({status}) is no limpet, or one of another version", socket.display())]
    WrongAnswer {
        /// Where.
        socket: PathBuf,
        /// The status it came with.
        status: StatusCode,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The daemon understood, and refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Client {
    /// For the daemon with this control socket.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// [`super::Control::status`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn status(&self) -> Result<Status, CallError> {
        self.call(Method::GET, "/v1/status").await
    }

    /// [`super::Control::explain`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn explain(&self, query: &ExplainQuery) -> Result<Explanation, CallError> {
        let query = serde_urlencoded::to_string(query).expect("a flat struct of plain values");
        self.call(Method::GET, &format!("/v1/explain?{query}")).await
    }

    /// [`super::Control::plan`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn plan(&self, query: &PlanQuery) -> Result<Forecast, CallError> {
        let query = serde_urlencoded::to_string(query).expect("a flat struct of plain values");
        self.call(Method::GET, &format!("/v1/plan?{query}")).await
    }

    /// [`super::Control::list_sessions`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn list_sessions(&self, filter: &SessionFilter) -> Result<SessionList, CallError> {
        self.call(Method::GET, &sessions(filter)).await
    }

    /// [`super::Control::drop_sessions`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn drop_sessions(&self, filter: &SessionFilter) -> Result<Dropped, CallError> {
        self.call(Method::DELETE, &sessions(filter)).await
    }

    /// [`super::Control::crowds`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn crowds(&self, query: &CrowdQuery) -> Result<Crowds, CallError> {
        let query = serde_urlencoded::to_string(query).expect("a flat struct of plain values");
        self.call(Method::GET, &format!("/v1/crowds?{query}")).await
    }

    /// [`super::Control::events`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn events(&self, EventQuery { after }: EventQuery) -> Result<Events, CallError> {
        self.call(Method::GET, &format!("/v1/events?after={after}")).await
    }

    /// [`super::Control::move_sessions`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn move_sessions(&self, order: &MoveOrder) -> Result<Move, CallError> {
        let query = serde_urlencoded::to_string(order).expect("a flat struct of plain values");
        self.call(Method::POST, &format!("/v1/moves?{query}")).await
    }

    /// [`super::Control::moves`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn moves(&self) -> Result<Moves, CallError> {
        self.call(Method::GET, "/v1/moves").await
    }

    /// [`super::Control::undo`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn undo(&self, order: &UndoOrder) -> Result<Undone, CallError> {
        self.call(Method::POST, &format!("/v1/moves/undo?id={}", order.id)).await
    }

    /// [`super::Control::hand_over`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn hand_over(&self, order: &HandOver) -> Result<HandedOver, CallError> {
        let query = serde_urlencoded::to_string(order).expect("a flat struct of plain values");
        self.call(Method::POST, &format!("/v1/hand-over?{query}")).await
    }

    /// [`super::Control::reload`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn reload(&self) -> Result<Reloaded, CallError> {
        self.call(Method::POST, "/v1/reload").await
    }

    /// [`super::Control::backend`] of the daemon.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn backend(&self, order: &BackendOrder) -> Result<Reloaded, CallError> {
        let query = serde_urlencoded::to_string(order).expect("a flat struct of plain values");
        self.call(Method::POST, &format!("/v1/backend?{query}")).await
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, uri: &str) -> Result<T, CallError> {
        let exchange = tokio::time::timeout(PATIENCE, self.exchange(method, uri));
        let (status, body) = exchange.await.map_err(|_| CallError::Slow(self.socket.clone()))??;
        let wrong = |source| CallError::WrongAnswer { socket: self.socket.clone(), status, source };
        if status.is_success() {
            serde_json::from_slice(&body).map_err(wrong)
        } else {
            Err(CallError::Refused(serde_json::from_slice(&body).map_err(wrong)?))
        }
    }

    /// One request and its whole answer.
    async fn exchange(&self, method: Method, uri: &str) -> Result<(StatusCode, Bytes), CallError> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| unreached(&self.socket, error))?;
        let broken =
            |error: hyper::Error| CallError::Broken { socket: self.socket.clone(), source: error.into() };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let request = Request::builder()
            .method(method)
            .uri(uri)
            // HTTP/1.1 wants one; a socket has no name.
            .header(header::HOST, "limpet")
            .body(Empty::<Bytes>::new())
            .expect("a fixed path and an encoded query");
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            Ok((status, response.into_body().collect().await?.to_bytes()))
        };
        tokio::pin!(connection, answer);
        // The connection moves the bytes of the answer; should it end first, the answer still has to be read.
        let answer = tokio::select! {
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        };
        answer.map_err(broken)
    }
}

fn sessions(filter: &SessionFilter) -> String {
    format!("/v1/sessions?{}", serde_urlencoded::to_string(filter).expect("a flat struct of plain values"))
}

fn unreached(socket: &Path, error: io::Error) -> CallError {
    let socket = socket.to_owned();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => CallError::NoDaemon(socket),
        ErrorKind::PermissionDenied => CallError::Denied(socket),
        _ => CallError::Broken { socket, source: error.into() },
    }
}
