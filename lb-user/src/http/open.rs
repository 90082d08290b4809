//! What is open: counted for as long as the value lives.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use tokio::{sync::Notify, time::Instant};

use super::{patience::Phase, session::Upstream};

/// A request, or an upgraded connection, at a backend.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) upstream: Arc<Upstream>,
    _busy: Busy,
}

impl Open {
    pub(super) fn new(upstream: Arc<Upstream>, activity: &Rc<Activity>) -> Rc<Self> {
        upstream.open.fetch_add(1, Relaxed);
        upstream.requests.fetch_add(1, Relaxed);
        Rc::new(Self { upstream, _busy: Busy::new(Rc::clone(activity)) })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.upstream.open.fetch_sub(1, Relaxed);
    }
}

/// What a client's connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    open: Cell<usize>,
    since: Cell<Instant>,
    phase: Arc<Phase>,
    /// Frames of HTTP/2 may come at any time: only requests count.
    is_multiplexed: Cell<bool>,
    has_begun: Cell<bool>,
    begins: Notify,
}

impl Activity {
    pub(super) fn new(phase: Arc<Phase>) -> Rc<Self> {
        Rc::new(Self {
            open: Cell::new(0),
            since: Cell::new(Instant::now()),
            phase,
            is_multiplexed: Cell::new(false),
            has_begun: Cell::new(false),
            begins: Notify::new(),
        })
    }

    /// It speaks HTTP/2.
    pub(super) fn multiplexed(&self) {
        self.is_multiplexed.set(true);
    }

    /// Resolves once there has been a request: a client that has just come may have sent one.
    pub(super) async fn has_begun(&self) {
        if !self.has_begun.get() {
            self.begins.notified().await;
        }
    }

    /// Since when no request is open.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.open.get() == 0).then(|| self.since.get())
    }
}

/// Something that keeps a client's connection from being idle.
#[derive(Debug)]
pub(super) struct Busy(Rc<Activity>);

impl Busy {
    pub(super) fn new(activity: Rc<Activity>) -> Self {
        activity.open.set(activity.open.get() + 1);
        activity.phase.busy();
        if !activity.has_begun.replace(true) {
            activity.begins.notify_waiters();
        }
        Self(activity)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Activity { open, since, phase, is_multiplexed, .. } = &*self.0;
        open.set(open.get() - 1);
        since.set(Instant::now());
        if open.get() == 0 && !is_multiplexed.get() {
            phase.idle();
        }
    }
}
