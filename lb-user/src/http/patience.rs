//! A client's connection that is given up when its other side stands still: while a header section is under way, or what
//! was written is not taken.
//!
//! Bodies have their own patience, as only they know whether anybody waits for them.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// What a connection is at.
#[derive(Debug, Default)]
pub(super) struct Phase(AtomicU8);

impl Phase {
    /// A header section is due: from the start of the connection, or its first byte on.
    const HEADER: u8 = 0;
    /// Nothing is due.
    const IDLE: u8 = 1;
    /// A request is being answered.
    const BUSY: u8 = 2;

    pub(super) fn busy(&self) {
        self.0.store(Self::BUSY, Relaxed);
    }

    pub(super) fn idle(&self) {
        self.0.store(Self::IDLE, Relaxed);
    }
}

/// How long each side may stand still.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For a header section.
    pub(super) header: Duration,
    /// For anything that is written.
    pub(super) write: Duration,
}

/// A stream with a limit to each wait.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    phase: Arc<Phase>,
    limits: Limits,
    header: Timer,
    write: Timer,
}

/// Runs from the first time that something is not ready to the next time that it is.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl Timer {
    pub(super) fn start(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => self.sleep = Some(Box::pin(sleep_until(deadline))),
        }
        self.is_running = true;
    }

    pub(super) const fn stop(&mut self) {
        self.is_running = false;
    }

    pub(super) const fn is_running(&self) -> bool {
        self.is_running
    }

    /// An error once it has run out.
    pub(super) fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.is_running {
            self.start(limit);
        }
        let sleep = self.sleep.as_mut().expect("it was started");
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, phase: Arc<Phase>, limits: Limits) -> Self {
        let mut header = Timer::default();
        header.start(limits.header);
        Self { stream, phase, limits, header, write: Timer::default() }
    }

    fn written<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write.stop();
            return result;
        }
        self.write.poll(self.limits.write, cx).map(Err)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let result = Pin::new(&mut this.stream).poll_read(cx, buffer);
        match (this.phase.0.load(Relaxed), &result) {
            (Phase::IDLE, Poll::Ready(_)) => {
                this.phase.0.store(Phase::HEADER, Relaxed);
                this.header.start(this.limits.header);
            }
            (Phase::HEADER, Poll::Pending) => return this.header.poll(this.limits.header, cx).map(Err),
            (Phase::BUSY, _) => this.header.stop(),
            _ => {}
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
