//! A backend that writes down what it gets, and answers what it is told to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_user::lab::{Lab, client::Tasks};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::received::Received;

/// What it answers instead of 200.
#[derive(Debug, Clone)]
pub struct Script {
    /// As it goes out, after the request has come.
    pub bytes: Vec<u8>,
    /// Close then.
    pub closes: bool,
    /// Wait so long before.
    pub after: Duration,
}

#[derive(Debug, Default)]
struct Log {
    received: Mutex<Vec<Received>>,
    script: Mutex<Option<Script>>,
    /// Connections that a request has begun on, and not ended.
    partial: AtomicUsize,
}

/// The backend.
#[derive(Debug)]
pub struct Recorder {
    log: Arc<Log>,
    _tasks: Tasks,
}

impl Recorder {
    /// Listens in the namespace of backend `index`; its answers name `name`.
    pub async fn start(lab: &Lab, index: u8, port: u16, name: &'static str) -> Result<Self> {
        let tasks = Tasks::inside(&lab.backends()[usize::from(index)])?;
        let log = Arc::new(Log::default());
        let address = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port);
        let listener = tasks.spawn(TcpListener::bind(address)).await?.context("cannot listen")?;
        tasks.spawn({
            let log = Arc::clone(&log);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&log), name));
                }
            }
        });
        Ok(Self { log, _tasks: tasks })
    }

    /// Waits until each request that has begun has come to an end, whichever.
    pub async fn settled(&self) {
        while self.log.partial.load(SeqCst) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What has come since it was asked last.
    #[must_use]
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.log.received.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers the next request with this, once.
    pub fn answer_once(&self, script: Script) {
        *self.log.script.lock().unwrap_or_else(PoisonError::into_inner) = Some(script);
    }
}

impl Log {
    fn note(&self, request: Received) {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    }
}

/// A request that has begun.
struct Partial(Arc<Log>);

impl Partial {
    fn new(log: &Arc<Log>) -> Self {
        log.partial.fetch_add(1, SeqCst);
        Self(Arc::clone(log))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.0.partial.fetch_sub(1, SeqCst);
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Log>, name: &'static str) {
    let mut buffer = Vec::new();
    let mut partial = None;
    loop {
        if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
            if !buffer.is_empty() {
                log.note(Received::parse(&buffer).0);
            }
            drop(partial);
            return;
        }
        while !buffer.is_empty() {
            let (request, length) = Received::parse(&buffer);
            if !request.is_whole {
                break;
            }
            buffer.drain(..length);
            let body = if request.head.starts_with("HEAD ") { "" } else { request.target() };
            let usual = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Name: {name}\r\n\r\n{body}",
                request.target().len()
            );
            let script = log.script.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Script { bytes, closes, after } =
                script.unwrap_or(Script { bytes: usual.into(), closes: false, after: Duration::ZERO });
            log.note(request);
            tokio::time::sleep(after).await;
            if stream.write_all(&bytes).await.is_err() || closes {
                return;
            }
        }
        partial = (!buffer.is_empty()).then(|| partial.take().unwrap_or_else(|| Partial::new(&log)));
    }
}
