//! Connections that stop speaking HTTP, such as those of WebSockets: bytes in both directions until both sides are done,
//! nobody says anything for too long, or the backend is taken out of service.

use std::{
    cell::Cell,
    io,
    pin::pin,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, sleep_until},
};

use super::{open::Open, worker::Guest};

/// Bytes that are on their way in one direction: as many as a silent connection may hold, and one that has much to say.
const BUFFER: usize = 16 * 1024;
const LARGE_BUFFER: usize = 64 * 1024;

/// Carries what both sides say, until that ends.
pub(super) async fn carry(
    client: OnUpgrade,
    backend: OnUpgrade,
    silence: Duration,
    open: Rc<Open>,
    _guest: Guest,
) {
    let (Ok(client), Ok(backend)) = tokio::join!(client, backend) else { return };
    let (client, backend) = (TokioIo::new(client), TokioIo::new(backend));
    let (from_client, to_client) = tokio::io::split(client);
    let (from_backend, to_backend) = tokio::io::split(backend);
    let last = Cell::new(Instant::now());
    let both = async {
        tokio::try_join!(
            copy(from_client, to_backend, &last, &open.upstream.bytes),
            copy(from_backend, to_client, &last, &open.upstream.reply_bytes),
        )
    };
    let mut both = pin!(both);
    let mut cut = pin!(open.upstream.is_cut());
    loop {
        tokio::select! {
            // How it ended is the business of those two.
            _ = &mut both => return,
            () = &mut cut => return,
            () = sleep_until(last.get() + silence) => {
                if last.get() + silence <= Instant::now() {
                    return;
                }
            }
        }
    }
}

/// Copies one direction, and says when it ends.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    last: &Cell<Instant>,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        last.set(Instant::now());
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
        // TLS keeps what the socket does not take at once, and hands it on when it is asked next.
        to.flush().await?;
        count.fetch_add(read as u64, Relaxed);
        last.set(Instant::now());
        if read == buffer.len() {
            buffer.resize(LARGE_BUFFER, 0);
        }
    }
}
