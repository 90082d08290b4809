//! The control API: what the daemon can be asked and told, as JSON over HTTP on a unix socket.
//!
//! `GET /v1/status`, `GET /v1/events?after=N`, `GET /v1/explain?service=S&client=ADDR&port=N&service_port=N&cookie=V&header=V&path=P`,
//! `GET /v1/plan?config=PATH`, `GET` and `DELETE /v1/sessions?service=S&client=PREFIX&backend=B&limit=N&after=NEXT`, `GET /v1/crowds?service=S&share=PERCENT`, `GET` and
//! `POST /v1/moves?service=S&client=PREFIX&backend=B&to=B&percent=N&rate=N&dry_run=BOOL`, `POST /v1/moves/undo?id=N`,
//! `POST /v1/reload`, `POST /v1/hand-over?to=PATH`, `POST /v1/backend?service=S&backend=B&action=A&deadline_s=N&weight=N&address=ADDR&port=N`. The server knows the
//! daemon only as [`Control`]; the commands know the server only as [`Client`]. Names in JSON are a promise:
//! fields may be added, none is ever renamed.

mod backend;
mod client;
mod crowds;
mod events;
mod explanation;
mod forecast;
mod hand_over;
pub(crate) mod http;
mod moves;
mod refusal;
mod requests;
mod server;
mod sessions;
mod snapshot;
mod socket;
mod status;

use std::future::Future;

use serde::{Deserialize, Serialize};

pub use self::{
    backend::{BackendAction, BackendOrder, Cut, Drain, DrainForecast},
    client::{CallError, Client},
    crowds::{Crowd, CrowdQuery, Crowds},
    events::{Broken, EventQuery, Events},
    explanation::{ExplainQuery, Explanation, Session, Why},
    forecast::{BackendForecast, Forecast, MovedClient, PlanQuery, SessionForecast},
    hand_over::{HandOver, HandedOver},
    moves::{Move, MoveOrder, MoveState, Moves, UndoOrder, Undone},
    refusal::{Refusal, RefusalKind},
    requests::{Latency, Requests},
    server::serve,
    sessions::{Dropped, ListedSession, SessionFilter, SessionList, ShownSession},
    snapshot::{RestoredSessions, Snapshot},
    socket::{Socket, SocketError},
    status::{
        Access, Backend, BackendState, Forwarding, Interface, Mode, NextHop, Persistence, Promises,
        RuntimeChange, Service, Status, Table, reasons,
    },
};

/// What the daemon can be asked and told. Implemented by the daemon; the API server and the metrics page only
/// know this.
pub trait Control: Send + Sync + 'static {
    /// Everything `status` shows.
    fn status(&self) -> impl Future<Output = anyhow::Result<Status>> + Send;

    /// Which backend a client gets, and why. Changes nothing.
    fn explain(&self, query: ExplainQuery) -> impl Future<Output = Result<Explanation, Refusal>> + Send;

    /// What a reload of another file would change. Changes nothing.
    fn plan(&self, query: PlanQuery) -> impl Future<Output = Result<Forecast, Refusal>> + Send;

    /// Stored sessions, a page of them.
    fn list_sessions(
        &self,
        filter: SessionFilter,
    ) -> impl Future<Output = Result<SessionList, Refusal>> + Send;

    /// Clients that carry much of a service.
    fn crowds(&self, query: CrowdQuery) -> impl Future<Output = Result<Crowds, Refusal>> + Send;

    /// Forgets stored sessions.
    fn drop_sessions(&self, filter: SessionFilter) -> impl Future<Output = Result<Dropped, Refusal>> + Send;

    /// Broken promises of late.
    fn events(&self, query: EventQuery) -> impl Future<Output = anyhow::Result<Events>> + Send;
    /// Gives stored sessions another home, from now on; the answer says how many it is about.
    fn move_sessions(&self, order: MoveOrder) -> impl Future<Output = Result<Move, Refusal>> + Send;

    /// The moves that are remembered.
    fn moves(&self) -> impl Future<Output = Result<Moves, Refusal>> + Send;

    /// Takes a move back.
    fn undo(&self, order: UndoOrder) -> impl Future<Output = Result<Undone, Refusal>> + Send;

    /// Reads the configuration file again and applies what changed. Refused, nothing has changed.
    fn reload(&self) -> impl Future<Output = Result<Reloaded, Refusal>> + Send;

    /// Sends the listening sockets to the daemon that takes this one's place, and ends. Refused, nothing has changed.
    fn hand_over(&self, order: HandOver) -> impl Future<Output = Result<HandedOver, Refusal>> + Send;

    /// Changes what a backend may be given. Refused, nothing has changed.
    fn backend(&self, order: BackendOrder) -> impl Future<Output = Result<Reloaded, Refusal>> + Send;
}

/// What a reload, or an order about a backend, changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// One sentence a change, in the order they were applied; empty if the file asks for what runs.
    pub changes: Vec<String>,
}
