//! A client's connection, from its first byte to its last.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use hyper::{Version, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
    time::{Duration, Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::{
    descriptors::Descriptor,
    figures::Figures,
    forward::{Origin, plain},
    gathered::Gathered,
    open::Activity,
    patience::{Limits, Patient, Phase},
    proxy_protocol::{self, Parsed},
    request::Client,
    session,
    site::Site,
    stall::Streams,
    worker::Worker,
};

/// The longest header of the PROXY protocol.
const PROXY_HEADER: usize = 2064;
/// When a header that came in parts is looked at again, the first time and later on.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const LOOK_AGAIN_LATER: Duration = Duration::from_millis(200);
/// Requests that a client may have open at once in one connection of HTTP/2 (RFC 9113 section 6.5.2 recommends 100 at
/// least).
const STREAMS: u32 = 100;

/// Bytes of an answer that wait for a client of HTTP/2, for each stream.
const SEND_BUFFER: usize = 64 * 1024;

/// Counts a connection for as long as it lives.
struct Counted(Arc<Figures>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// Serves a connection until it ends, or the site closes.
pub(super) async fn serve(
    worker: Rc<Worker>,
    site: Rc<Site>,
    (mut stream, descriptor): (TcpStream, Descriptor),
    peer: SocketAddr,
) {
    let figures = Arc::clone(&site.served().figures);
    figures.connections.fetch_add(1, Relaxed);
    let _counted = Counted(figures);
    let served = site.served();
    let timeouts = served.http.timeouts;
    // A client that is gone says so at the next read.
    let (Ok(called), Ok(())) = (stream.local_addr(), stream.set_nodelay(true)) else { return };
    let mut origin =
        Origin { client: plain(peer), called: plain(called), port: called.port(), connection: 0 };
    if served.http.accept_proxy {
        // What few connections need is on the heap, so that it is not kept for all: here, and where there is TLS.
        match timeout(timeouts.header, Box::pin(introduced(&mut stream))).await {
            Ok(Ok(Some(told))) if served.http.believes(origin.client.ip()) => {
                (origin.client, origin.called) = (plain(told.source), plain(told.destination));
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return debug!("{peer}: no PROXY protocol: {error}"),
            Err(_) => return,
        }
    }
    origin.connection =
        session::hash(worker.desk.settings(), format!("{} {}", origin.client, worker.next()).as_bytes());
    drop(served);
    let phase = Arc::default();
    let limits = Limits { header: timeouts.header, write: timeouts.body };
    let stream = Patient::new(Gathered::new(stream, descriptor), Arc::clone(&phase), limits);
    match site.tls() {
        None => talk(Rc::clone(&worker), site, stream, origin, (phase, None)).await,
        Some(config) => {
            let accepted = Box::pin(TlsAcceptor::from(config).accept(stream));
            let stream = match timeout(timeouts.header, accepted).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return debug!("{peer}: no TLS: {error}"),
                Err(_) => return,
            };
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Box::pin(talk(Rc::clone(&worker), site, stream, origin, (phase, Some(is_http2)))).await;
        }
    }
    worker.pool.forget(origin.connection);
}

/// Reads who the client is, in the words of a proxy in front of us; nobody, where the proxy speaks for itself.
async fn introduced(stream: &mut TcpStream) -> io::Result<Option<proxy_protocol::Peer>> {
    let mut buffer = [0; PROXY_HEADER];
    let mut pause = LOOK_AGAIN;
    loop {
        let bytes = stream.peek(&mut buffer).await?;
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match proxy_protocol::parse(&buffer[..bytes]) {
            Parsed::Header { length, peer } => {
                stream.read_exact(&mut buffer[..length]).await?;
                return Ok(peer);
            }
            Parsed::Invalid(why) => return Err(io::Error::other(why)),
            // What is there is no news to the socket.
            Parsed::Incomplete => {
                sleep(pause).await;
                pause = (2 * pause).min(LOOK_AGAIN_LATER);
            }
        }
    }
}

/// Speaks HTTP. Over TLS it is known by then whether that is HTTP/2.
async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    worker: Rc<Worker>,
    site: Rc<Site>,
    stream: S,
    origin: Origin,
    (phase, is_http2): (Arc<Phase>, Option<bool>),
) {
    let activity = Activity::new(phase);
    let client =
        Rc::new(Client { worker, origin, is_tls: is_http2.is_some(), activity: Rc::clone(&activity) });
    let service = service_fn({
        let site = Rc::clone(&site);
        move |request: http::Request<_>| {
            let (client, served) = (Rc::clone(&client), site.served());
            if request.version() == Version::HTTP_2 {
                client.activity.multiplexed();
            }
            // hyper keeps room for this as long as the connection lives: 4 kB for who has no request.
            Box::pin(async move { Ok::<_, Infallible>(client.answer(&served, request).await) })
        }
    });
    let served = site.served();
    let streams = Streams(served.http.timeouts.body);
    let builder =
        builder(streams, served.http.max_header, is_http2.or((!served.http.http2).then_some(false)));
    let idle = served.http.timeouts.idle;
    drop(served);
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // Whoever was let in has one request answered: to close on him would reset what he has sent.
    let mut closed = pin!(async {
        site.closed().await;
        activity.has_begun().await;
    });
    let mut is_closing = false;
    loop {
        let deadline = activity.idle_since().unwrap_or_else(Instant::now) + idle;
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!("{}: {error}", origin.client);
                }
                return;
            }
            () = &mut closed, if !is_closing => {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(deadline) => {
                if activity.idle_since().is_some_and(|since| since + idle <= Instant::now()) {
                    if is_closing {
                        return;
                    }
                    is_closing = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// `None`: the first bytes say whether it is HTTP/2.
fn builder(streams: Streams, max_header: usize, is_http2: Option<bool>) -> Builder<Streams> {
    let mut builder = match is_http2 {
        Some(true) => Builder::new(streams).http2_only(),
        Some(false) => Builder::new(streams).http1_only(),
        None => Builder::new(streams),
    };
    builder
        .http1()
        .timer(TokioTimer::new())
        // Ours is the connection's, see `patience`.
        .header_read_timeout(None)
        .max_buf_size(max_header)
        // A client that has said all may still read.
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(max_header).unwrap_or(u32::MAX));
    builder
}
