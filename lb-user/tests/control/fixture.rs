//! A daemon of fixed answers, and what talks to it.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use lb_common::reason::{Kind, Reason};
use lb_user::{
    api::{
        self, Access, Backend, BackendForecast, BackendOrder, BackendState, Broken, Control, Crowd,
        CrowdQuery, Crowds, Dropped, EventQuery, Events, ExplainQuery, Explanation, Forecast, Forwarding,
        HandOver, HandedOver, Interface, ListedSession, Mode, Move, MoveOrder, MoveState, MovedClient, Moves,
        NextHop, Persistence, PlanQuery, Promises, Refusal, Reloaded, RuntimeChange, Service, Session,
        SessionFilter, SessionForecast, SessionList, Snapshot, Socket, Status, Table, UndoOrder, Undone, Why,
        reasons,
    },
    config,
    model::Protocol,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Notify, oneshot},
    task::JoinHandle,
};

/// Answers as its fields say.
#[derive(Debug, Default)]
pub(crate) struct Fixed {
    /// `None`: the status can't be had.
    pub(crate) status: Option<Status>,
    /// What every reload comes to; `None`: it never changes anything.
    pub(crate) reload: Option<Result<Reloaded, Refusal>>,
    /// The queries of `explain`, in order.
    pub(crate) asked: Mutex<Vec<ExplainQuery>>,
    /// What was asked of `sessions`, in order.
    pub(crate) filters: Mutex<Vec<SessionFilter>>,
    /// The orders to move sessions, in order.
    pub(crate) moved: Mutex<Vec<MoveOrder>>,
    /// The orders about backends, in order.
    pub(crate) ordered: Mutex<Vec<BackendOrder>>,
    /// Where given, a reload says that it has begun and waits to be let on.
    pub(crate) gate: Option<Arc<Gate>>,
}

/// Holds a reload in the middle.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    pub(crate) begun: Notify,
    pub(crate) let_on: Notify,
    pub(crate) done: Notify,
}

impl Control for Fixed {
    async fn status(&self) -> anyhow::Result<Status> {
        self.status.clone().ok_or_else(|| anyhow::anyhow!("EPERM").context("cannot read FLOWS"))
    }

    async fn explain(&self, query: ExplainQuery) -> Result<Explanation, Refusal> {
        self.asked.lock().unwrap().push(query.clone());
        if query.service != "web" {
            return Err(Refusal::not_found(format!("there is no service {:?}", query.service)));
        }
        Ok(Explanation { client: query.client, port: query.port, ..explanation() })
    }

    async fn plan(&self, query: PlanQuery) -> Result<Forecast, Refusal> {
        if query.config != Path::new("/etc/new file.toml") {
            return Err(Refusal::invalid(format!("cannot read {}", query.config.display())));
        }
        Ok(forecast())
    }

    async fn list_sessions(&self, filter: SessionFilter) -> Result<SessionList, Refusal> {
        self.filters.lock().unwrap().push(filter);
        Ok(session_list())
    }

    async fn crowds(&self, query: CrowdQuery) -> Result<Crowds, Refusal> {
        let crowd = Crowd {
            service: query.service.unwrap_or_else(|| "web".into()),
            client: "198.51.100.7/32".parse().unwrap(),
            backend: Some("web-1".into()),
            connections: 12_345,
            share: query.share,
        };
        Ok(Crowds { crowds: vec![crowd] })
    }

    async fn drop_sessions(&self, filter: SessionFilter) -> Result<Dropped, Refusal> {
        self.filters.lock().unwrap().push(filter);
        Ok(Dropped { sessions: 2 })
    }

    async fn events(&self, EventQuery { after }: EventQuery) -> anyhow::Result<Events> {
        let events = [broken(1, "down", Some("web-1")), broken(2, "refused", None)];
        Ok(Events {
            events: events.into_iter().filter(|event| event.number > after).collect(),
            last: 2,
            run: 7,
        })
    }

    async fn move_sessions(&self, order: MoveOrder) -> Result<Move, Refusal> {
        let state = if order.dry_run { MoveState::Planned } else { MoveState::Running };
        self.moved.lock().unwrap().push(order);
        Ok(Move { state, ..moves().moves.remove(0) })
    }

    async fn moves(&self) -> Result<Moves, Refusal> {
        Ok(moves())
    }

    async fn undo(&self, order: UndoOrder) -> Result<Undone, Refusal> {
        Ok(Undone { id: order.id, back: 20, kept: [("ended".to_owned(), 3)].into() })
    }

    async fn hand_over(&self, _: HandOver) -> Result<HandedOver, Refusal> {
        Ok(HandedOver { pid: 4711 })
    }

    async fn reload(&self) -> Result<Reloaded, Refusal> {
        if let Some(gate) = &self.gate {
            gate.begun.notify_one();
            gate.let_on.notified().await;
            gate.done.notify_one();
        }
        self.reload.clone().unwrap_or(Ok(Reloaded { changes: Vec::new() }))
    }

    async fn backend(&self, order: BackendOrder) -> Result<Reloaded, Refusal> {
        if order.service != "web" {
            return Err(Refusal::not_found(format!("there is no service {:?}", order.service)));
        }
        self.ordered.lock().unwrap().push(order);
        Ok(Reloaded { changes: vec!["service web: backend web-1 is draining".into()] })
    }
}

/// A daemon with the status of [`status`].
pub(crate) fn daemon() -> Fixed {
    Fixed { status: Some(status()), ..Fixed::default() }
}

/// An API server that runs in this process.
pub(crate) struct Running<C> {
    pub(crate) socket: PathBuf,
    pub(crate) control: Arc<C>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
    directory: TempDir,
}

impl<C: Control> Running<C> {
    pub(crate) fn start(control: C) -> Self {
        let directory = TempDir::new().unwrap();
        let socket = directory.path().join("limpet.sock");
        let (stop, stopped) = oneshot::channel();
        let control = Arc::new(control);
        let bound = Socket::bind(&socket).unwrap();
        let task = tokio::spawn(api::serve(bound, Arc::clone(&control), async {
            let _ = stopped.await;
        }));
        Self { socket, control, stop, task, directory }
    }

    /// Stops it and waits for the end; its directory is given back to be looked at.
    pub(crate) async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
        self.directory
    }
}

/// Sends one request as text, without a client library, and gives the whole answer as text.
pub(crate) async fn raw(mut stream: impl AsyncRead + AsyncWrite + Unpin, request_line: &str) -> String {
    let request = format!("{request_line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Fails a test that hangs.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("it hangs")
}

/// Nobody listens there.
pub(crate) fn nowhere(directory: &TempDir) -> PathBuf {
    directory.path().join("none.sock")
}

/// The errors of a configuration file with two errors.
pub(crate) fn config_errors(file: &Path) -> config::Errors {
    std::fs::write(file, "[interface]\nname = [\"eth0\"]\nmode = \"fast\"\n").unwrap();
    config::load(file).unwrap_err()
}

/// Two services; every field has a value of its own.
pub(crate) fn status() -> Status {
    let counts = |kind| {
        reasons(kind, |reason| match reason {
            Reason::NoBackend => 12,
            Reason::ToBackend => 1_500_020,
            Reason::ToClient => 1_400_000,
            Reason::NotOurs => 7,
            Reason::SessionNew => 30,
            _ => 0,
        })
    };
    Status {
        version: Status::VERSION,
        pid: 4242,
        uptime_s: 7_384,
        config: "/etc/limpet.toml".into(),
        interfaces: vec![
            Interface { name: "eth0".into(), ifindex: 2, mode: Mode::Driver },
            Interface { name: "eth1".into(), ifindex: 3, mode: Mode::Generic },
        ],
        services: vec![web(), dns()],
        drops: counts(Kind::Drop),
        passes: counts(Kind::Pass),
        forwards: counts(Kind::Forward),
        events: counts(Kind::Event),
        tables: vec![
            Table { name: "FLOWS".into(), used: Some(1_234), capacity: 262_144, bytes: 4_194_304 },
            Table { name: "AFFINITY".into(), used: None, capacity: 65_536, bytes: 10_485_760 },
        ],
        snapshot: Snapshot {
            path: "/var/lib/limpet/run-limpet-limpet_sock/sessions.snapshot".into(),
            interval_s: Some(60.0),
            written: Some("2026-11-21T18:00:00Z".into()),
            sessions: 29,
            bytes: 12_288,
            took_s: 0.004,
            error: None,
            restored: None,
        },
    }
}

/// A broken promise.
pub(crate) fn broken(number: u64, cause: &str, new: Option<&str>) -> Broken {
    Broken {
        number,
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        service: "web".into(),
        client: "198.51.100.7/32".parse().unwrap(),
        cause: cause.into(),
        old: Some("web-2".into()),
        new: new.map(Into::into),
    }
}

fn web() -> Service {
    Service {
        http: None,
        name: "web".into(),
        address: "192.0.2.10".parse().unwrap(),
        port: 80,
        ports: vec![80],
        protocol: Protocol::Tcp,
        forwarding: Forwarding::Nat,
        persistence: Persistence::ClientIp,
        group: Some("shop".into()),
        promises: Promises {
            kept: 12_345,
            broken: [("down".to_owned(), 3), ("idle".to_owned(), 0), ("lent".to_owned(), 1)].into(),
        },
        access: Some(Access { allow: 3, deny: 200_000, others: false }),
        sessions: 30,
        flows: 40,
        packets: 1_500_000,
        bytes: 80_000_000,
        reply_packets: 1_400_000,
        reply_bytes: 3_210_000_000,
        connections: 50_000,
        backends: vec![
            backend("web-1", "10.0.0.11", BackendState::Up),
            Backend {
                reason: Some("connect to 10.0.0.12:8080: connection refused".into()),
                share: 0.0,
                ..backend("web-2", "10.0.0.12", BackendState::Down)
            },
            Backend { next_hop: None, ..backend("web-3", "10.0.0.13", BackendState::Up) },
        ],
        removed: vec!["web-0".into()],
    }
}

fn dns() -> Service {
    Service {
        http: None,
        name: "dns".into(),
        address: "2001:db8::10".parse().unwrap(),
        port: 53,
        ports: vec![53, 853],
        protocol: Protocol::Udp,
        forwarding: Forwarding::Dsr,
        persistence: Persistence::Connection,
        group: None,
        promises: Promises::default(),
        access: None,
        sessions: 0,
        flows: 1,
        packets: 20,
        bytes: 1_400,
        reply_packets: 0,
        reply_bytes: 0,
        connections: 20,
        backends: vec![Backend {
            port: 0,
            reason: None,
            reply_packets: 0,
            reply_bytes: 0,
            runtime: Some(RuntimeChange {
                state: Some(BackendState::Draining),
                deadline_left_s: Some(1_800),
                file_weight: Some(50),
                added: true,
            }),
            ..backend("dns-1", "2001:db8:1::11", BackendState::Draining)
        }],
        removed: Vec::new(),
    }
}

/// A backend with figures of its own.
pub(crate) fn backend(name: &str, address: &str, state: BackendState) -> Backend {
    Backend {
        name: name.into(),
        address: address.parse().unwrap(),
        port: 8080,
        state,
        reason: Some("GET /healthz: 200 OK".into()),
        weight: 100,
        runtime: None,
        drain: None,
        share: 0.5,
        sessions: 15,
        flows: 20,
        packets: 750_000,
        bytes: 40_000_000,
        reply_packets: 700_000,
        reply_bytes: 1_605_000_000,
        connections: 25_000,
        next_hop: Some(NextHop { interface: "eth1".into(), ifindex: 3, mac: "02:00:00:00:00:0b".into() }),
    }
}

/// A backend leaves, and its clients move.
pub(crate) fn forecast() -> Forecast {
    let backend = |backend: &str, before, after| BackendForecast {
        service: "web".into(),
        backend: backend.into(),
        before,
        after,
    };
    Forecast {
        changes: vec!["service web: remove backend web-2".into()],
        sessions: SessionForecast {
            total: 30,
            moved: 15,
            by_reason: [("backend_removed".to_owned(), 15)].into(),
            biggest: vec![MovedClient {
                service: "web".into(),
                client: "198.51.100.7/32".parse().unwrap(),
                connections: 1_234,
                from: "web-2".into(),
                to: Some("web-3".into()),
                reason: "backend_removed".into(),
            }],
        },
        backends: vec![backend("web-1", 15, 22), backend("web-2", 15, 0), backend("web-3", 0, 8)],
    }
}

/// Two moves; the last was interrupted.
pub(crate) fn moves() -> Moves {
    let last = Move {
        id: 2,
        service: "web".into(),
        to: "web-2".into(),
        ordered_at: 1_800_000_000,
        total: 1_000,
        moved: 750,
        skipped: 50,
        state: MoveState::Interrupted,
    };
    let first = Move { id: 1, moved: 1_000, skipped: 0, state: MoveState::Undone, ..last.clone() };
    Moves { moves: vec![last, first] }
}

/// Two of three sessions.
pub(crate) fn session_list() -> SessionList {
    let session = explanation().session.unwrap();
    SessionList {
        matching: 3,
        sessions: vec![
            ListedSession {
                service: "dns".into(),
                client: "2001:db8:7::/64".parse().unwrap(),
                session: Session { backend: None, proven: false, valid: false, ..session.clone() },
                idle_left_s: 0.0,
                lifetime_left_s: None,
            },
            ListedSession {
                service: "web".into(),
                client: "198.51.100.7/32".parse().unwrap(),
                session,
                idle_left_s: 1_787.8,
                lifetime_left_s: Some(60.0),
            },
        ],
        next: Some("web/198.51.100.7/32".into()),
    }
}

/// A client on its session's backend, where the hash would send it elsewhere.
pub(crate) fn explanation() -> Explanation {
    Explanation {
        service: "web".into(),
        client: "198.51.100.7".parse().ok(),
        port: None,
        backend: Some("web-1".into()),
        reason: Why::Session,
        denied: false,
        hash_backend: Some("web-3".into()),
        session: Some(Session {
            backend: Some("web-1".into()),
            proven: true,
            age_s: 600.0,
            idle_s: 12.2,
            valid: true,
        }),
        idle_left_s: Some(1_787.8),
        lifetime_left_s: Some(28_200.0),
        key: None,
        if_backend_fails: Some("web-3".into()),
        if_backend_drains: Some("web-1".into()),
        text: vec!["A new connection goes to web-1.".into(), "The hash alone would say web-3.".into()],
    }
}
