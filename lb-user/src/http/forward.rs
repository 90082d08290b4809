//! A request's way to a backend: over a connection that waits for one, or a new one.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    task::spawn_local,
    time::{Instant, sleep_until, timeout},
};

use super::{
    body::{Fault, Progress, Upload},
    gathered::Gathered,
    local::Local,
    pool::{Key, Lease, Pool},
    proxy_protocol,
    session::{Served, Upstream},
};
use crate::model::http::{ProxyVersion, Version};

/// Where a request comes from, as a backend may have to be told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// The client's end of its connection.
    pub(super) client: SocketAddr,
    /// Our end of it, as the proxy in front says, if there is one.
    pub(super) called: SocketAddr,
    /// The port of ours that it came in by: a client's word does not choose a backend's.
    pub(super) port: u16,
    /// Which of the worker's connections it is.
    pub(super) connection: u64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No connection could be made: nothing of the request was sent.
    #[error("{1}")]
    Unconnected(Box<Request<Upload>>, io::Error),
    /// There are no descriptors for another one.
    #[error("too many connections are open")]
    Full,
    /// The connection was lost before the answer.
    #[error("{0}")]
    Lost(hyper::Error),
    /// The backend did not begin to answer in time.
    #[error("it did not begin to answer in time")]
    Late,
    /// The client's own fault.
    #[error("{0}")]
    Body(Fault),
}

/// An answer, and the connection that it comes by, if another request may have that.
pub(super) type Answer = (Response<Incoming>, Option<Lease>);

/// Sends requests of one service to one of its backends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forwarder<'a> {
    pub(super) pool: &'a Rc<Pool>,
    pub(super) served: &'a Served,
    pub(super) upstream: &'a Upstream,
    pub(super) origin: &'a Origin,
}

impl Forwarder<'_> {
    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        request: Request<Upload>,
        progress: &Progress,
    ) -> Result<Answer, Failure> {
        match self.served.http.backend_version {
            Version::Http1 => self.send_http1(request, progress).await,
            Version::Http2 => self.send_http2(request, progress).await,
        }
    }

    async fn send_http1(&self, mut request: Request<Upload>, progress: &Progress) -> Result<Answer, Failure> {
        let key = self.key();
        let patience = self.served.http.timeouts.backend_idle;
        while let Some(mut lease) = self.pool.take(key, patience) {
            // The backend may have closed it meanwhile: then nothing was sent, and the request comes back.
            let sent = if lease.sender.ready().await.is_ok() {
                self.answer(lease.sender.try_send_request(request), progress).await
            } else {
                continue;
            };
            match sent {
                Ok(response) => return Ok((response, Some(lease))),
                Err(Unsent::Back(back)) => request = *back,
                Err(Unsent::For(failure)) => return Err(failure),
            }
        }
        let (stream, request) = self.connect(request).await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(self.served.http.max_header.max(BUFFER))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Lost)?;
        // Its own error is the request's, too.
        spawn_local(connection.with_upgrades());
        let mut lease = self.pool.lease(key, sender);
        let sent = self.answer(lease.sender.try_send_request(request), progress).await;
        sent.map(|response| (response, Some(lease))).map_err(Unsent::failure)
    }

    async fn send_http2(&self, mut request: Request<Upload>, progress: &Progress) -> Result<Answer, Failure> {
        let key = self.key();
        if let Some(mut sender) = self.pool.shared(key) {
            match self.answer(sender.try_send_request(request), progress).await {
                Ok(response) => return Ok((response, None)),
                // The backend is closing it.
                Err(Unsent::Back(back)) => request = *back,
                Err(Unsent::For(failure)) => return Err(failure),
            }
        }
        let (stream, request) = self.connect(request).await?;
        let max_header = self.served.http.max_header.max(BUFFER);
        let (mut sender, connection) = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM)
            .initial_connection_window_size(STREAMS * STREAM)
            .max_header_list_size(u32::try_from(max_header).unwrap_or(u32::MAX))
            .keep_alive_interval(QUIET)
            .keep_alive_timeout(self.served.http.timeouts.connect)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failure::Lost)?;
        spawn_local(connection);
        self.pool.share(key, sender.clone());
        let sent = self.answer(sender.try_send_request(request), progress).await;
        sent.map(|response| (response, None)).map_err(Unsent::failure)
    }

    /// The answer, if it begins in time: counted from the last that came of the request's body.
    async fn answer(
        &self,
        sent: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, Unsent> {
        let mut sent = std::pin::pin!(sent);
        let begun = Instant::now();
        loop {
            let deadline = progress.at.get().max(begun) + self.served.http.timeouts.response;
            tokio::select! {
                answer = &mut sent => return answer.map_err(|error| Unsent::new(error, progress)),
                () = sleep_until(deadline) => {
                    if progress.at.get() + self.served.http.timeouts.response <= Instant::now() {
                        return Err(Unsent::For(Failure::Late));
                    }
                }
            }
        }
    }

    fn key(&self) -> Key {
        let is_told = self.served.http.send_proxy.is_some();
        Key {
            backend: self.upstream.id,
            server: self.upstream.server,
            port: self.port(),
            client: is_told.then_some(self.origin.connection),
        }
    }

    fn port(&self) -> u16 {
        self.upstream.port.unwrap_or(self.origin.port)
    }

    /// A new connection, for `request`.
    async fn connect(
        &self,
        request: Request<Upload>,
    ) -> Result<(Gathered<TcpStream>, Request<Upload>), Failure> {
        let patience = self.served.http.timeouts.connect;
        let descriptor = timeout(patience, self.pool.descriptors.wait()).await.map_err(|_| Failure::Full)?;
        let connected = timeout(patience, self.stream()).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => Ok((Gathered::new(stream, descriptor), request)),
            Err(error) => Err(Failure::Unconnected(request.into(), error)),
        }
    }

    async fn stream(&self) -> io::Result<TcpStream> {
        let address = SocketAddr::new(self.upstream.address, self.port());
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        if let Some(version) = self.served.http.send_proxy {
            let version = match version {
                ProxyVersion::V1 => proxy_protocol::Version::V1,
                ProxyVersion::V2 => proxy_protocol::Version::V2,
            };
            let Origin { client, called, .. } = *self.origin;
            stream.write_all(&proxy_protocol::write(version, client, called)).await?;
        }
        Ok(stream)
    }
}

/// Bytes that are read at once at least: hyper's own choice.
const BUFFER: usize = 8192 + 4096 * 100;

/// Bytes of an answer by HTTP/2 that may wait for its client.
const STREAM: u32 = 256 * 1024;
/// Answers that may wait so in one connection without others waiting for them: as many as servers commonly have streams.
const STREAMS: u32 = 128;
/// A connection of HTTP/2 by which nothing has come for so long is asked whether it is alive.
const QUIET: Duration = Duration::from_secs(10);

/// A request that found no answer.
enum Unsent {
    /// Nothing of it was sent.
    Back(Box<Request<Upload>>),
    For(Failure),
}

impl Unsent {
    fn new(mut error: TrySendError<Request<Upload>>, progress: &Progress) -> Self {
        match (error.take_message(), progress.fault.get()) {
            (Some(request), _) => Self::Back(Box::new(request)),
            (None, Some(fault)) => Self::For(Failure::Body(fault)),
            (None, None) => Self::For(Failure::Lost(error.into_error())),
        }
    }

    fn failure(self) -> Failure {
        match self {
            Self::Back(request) => Failure::Unconnected(request, io::ErrorKind::ConnectionReset.into()),
            Self::For(failure) => failure,
        }
    }
}

/// An address as it is known by: one of IPv4 that came in by a socket of IPv6 is one of IPv4.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    let canonical: IpAddr = address.ip().to_canonical();
    SocketAddr::new(canonical, address.port())
}
