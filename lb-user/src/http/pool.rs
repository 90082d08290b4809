//! Connections to backends that wait for the next request: those of one worker.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use hyper::client::conn::{http1, http2};
use lb_common::state::BackendId;

use super::{body::Upload, descriptors::Descriptors};

/// Whose connections may stand in for each other: those to one port of a backend, of a generation; and where each tells
/// the backend whose it is, those of one client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) backend: BackendId,
    pub(super) server: u32,
    pub(super) port: u16,
    pub(super) client: Option<u64>,
}

type Sender = http1::SendRequest<Upload>;

/// The waiting connections of a worker.
#[derive(Debug)]
pub(super) struct Pool {
    idle: RefCell<HashMap<Key, Vec<(Sender, Instant)>>>,
    shared: RefCell<HashMap<Key, http2::SendRequest<Upload>>>,
    pub(super) descriptors: Descriptors,
}

impl Pool {
    pub(super) fn new(descriptors: Descriptors) -> Self {
        Self { idle: RefCell::default(), shared: RefCell::default(), descriptors }
    }

    /// A connection that no request has, used at most `patience` ago: the one used last, as that is the most likely to be
    /// still there.
    pub(super) fn take(self: &Rc<Self>, key: Key, patience: Duration) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        let waiting = idle.get_mut(&key)?;
        while let Some((sender, since)) = waiting.pop() {
            if since.elapsed() > patience {
                // Those below waited for longer.
                waiting.clear();
            } else if !sender.is_closed() {
                return Some(Lease { pool: Rc::clone(self), key, sender });
            }
        }
        None
    }

    /// A new connection, on lease from the start.
    pub(super) fn lease(self: &Rc<Self>, key: Key, sender: Sender) -> Lease {
        Lease { pool: Rc::clone(self), key, sender }
    }

    /// The one connection of HTTP/2.
    pub(super) fn shared(&self, key: Key) -> Option<http2::SendRequest<Upload>> {
        self.shared.borrow().get(&key).filter(|sender| !sender.is_closed()).cloned()
    }

    pub(super) fn share(&self, key: Key, sender: http2::SendRequest<Upload>) {
        self.shared.borrow_mut().insert(key, sender);
    }

    /// Closes what only this connection of a client's could use.
    pub(super) fn forget(&self, client: u64) {
        self.idle.borrow_mut().retain(|key, _| key.client != Some(client));
        self.shared.borrow_mut().retain(|key, _| key.client != Some(client));
    }

    /// Closes what has waited for too long, and what leads to backends that `serves` does not name.
    pub(super) fn clean(&self, patience: Duration, serves: impl Fn(&Key) -> bool) {
        self.idle.borrow_mut().retain(|key, waiting| {
            waiting
                .retain(|(sender, since)| serves(key) && since.elapsed() <= patience && !sender.is_closed());
            !waiting.is_empty()
        });
        self.shared.borrow_mut().retain(|key, sender| serves(key) && !sender.is_closed());
    }
}

/// A connection for one request.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Rc<Pool>,
    key: Key,
    pub(super) sender: Sender,
}

impl Lease {
    /// It may have another request, unless others are in greater need of its descriptor.
    pub(super) fn give_back(self) {
        let Self { pool, key, sender } = self;
        if !sender.is_closed() && !pool.descriptors.are_scarce() {
            pool.idle.borrow_mut().entry(key).or_default().push((sender, Instant::now()));
        }
    }
}
