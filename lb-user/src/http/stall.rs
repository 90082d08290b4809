//! Streams of HTTP/2 that stand still because their client takes nothing.
//!
//! A connection stands still as a whole, which `patience` sees; a stream does so alone, for want of a window. hyper asks
//! a body for more only when there is room for it, and lets nobody end a stream but its own task: so that is ended.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;
use tokio::task::spawn_local;

use super::patience::Timer;

thread_local! {
    /// Whether the body that the running task asked last has given something: then its client is due.
    static GAVE: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Says whether a body has given something.
pub(super) fn gave<T>(frame: Poll<T>) -> Poll<T> {
    GAVE.set(Some(frame.is_ready()));
    frame
}

/// Runs the tasks of a connection, each for as long as its client takes what it is given within this time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams(pub(super) Duration);

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let limit = self.0;
        spawn_local(async move {
            let mut stream = pin!(stream);
            let mut timer = Timer::default();
            poll_fn(|cx| poll(|cx| stream.as_mut().poll(cx).map(drop), &mut timer, limit, cx)).await;
        });
    }
}

fn poll(
    mut stream: impl FnMut(&mut Context<'_>) -> Poll<()>,
    timer: &mut Timer,
    limit: Duration,
    cx: &mut Context<'_>,
) -> Poll<()> {
    GAVE.set(None);
    if stream(cx).is_ready() {
        return Poll::Ready(());
    }
    match GAVE.take() {
        Some(true) => timer.start(limit),
        Some(false) => timer.stop(),
        None => {}
    }
    if timer.is_running() { timer.poll(limit, cx).map(drop) } else { Poll::Pending }
}
