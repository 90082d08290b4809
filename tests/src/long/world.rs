//! What clients and the script share.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use lb_user::lab::{Family, Way, plan};
use tokio::sync::RwLock;

use super::standing::{Ledger, Rules, Standing, Trouble, Troubles};

/// The services: each way with other policies.
pub const SERVICES: [Rules; 4] = [
    Rules { way: Way::PLAIN[0], lends: false, moves: false },
    Rules { way: Way::PLAIN[1], lends: true, moves: false },
    Rules { way: Way::PLAIN[2], lends: false, moves: true },
    Rules { way: Way::PLAIN[3], lends: true, moves: true },
];

/// A client among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who(pub u32);

impl Who {
    /// Which of [`SERVICES`] it uses.
    #[must_use]
    pub const fn service(self) -> usize {
        self.0 as usize % SERVICES.len()
    }

    /// Its address, with this port.
    #[must_use]
    pub fn address(self, port: u16) -> SocketAddr {
        let family: Family = SERVICES[self.service()].way.family;
        (plan::crowd(family, self.0), port).into()
    }
}

/// What clients and the script share.
#[derive(Debug)]
pub struct World {
    /// Clients hold it for as long as packets of theirs may be under way; the script takes it for itself to have
    /// none at all.
    pub gate: RwLock<()>,
    /// Mean time between two things that a client does.
    pub pause: Duration,
    /// Answers on open connections.
    pub requests: AtomicU64,
    /// New connections.
    pub connections: AtomicU64,
    troubles: Mutex<Troubles>,
    ledgers: [Mutex<Ledger>; SERVICES.len()],
    clients: Mutex<Vec<Arc<Mutex<Standing>>>>,
    faults: Mutex<Vec<String>>,
}

impl World {
    /// Without clients, and without trouble.
    #[must_use]
    pub fn new(pause: Duration) -> Self {
        Self {
            gate: RwLock::default(),
            pause,
            requests: AtomicU64::default(),
            connections: AtomicU64::default(),
            troubles: Mutex::default(),
            ledgers: Default::default(),
            clients: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    /// One client more.
    pub fn join(&self) -> (Who, Arc<Mutex<Standing>>) {
        let mut clients = lock(&self.clients);
        let standing = Arc::<Mutex<Standing>>::default();
        clients.push(Arc::clone(&standing));
        (Who(clients.len() as u32 - 1), standing)
    }

    /// Is this so of every client?
    pub fn all(&self, wanted: impl Fn(&Standing, Rules) -> bool) -> bool {
        let clients = lock(&self.clients);
        let mut numbered = (0..).map(Who).zip(clients.iter());
        numbered.all(|(who, standing)| wanted(&lock(standing), SERVICES[who.service()]))
    }

    /// How many clients there are.
    pub fn count(&self) -> usize {
        lock(&self.clients).len()
    }

    /// What is the matter at this moment.
    pub fn troubles(&self) -> Troubles {
        *lock(&self.troubles)
    }

    /// From now on.
    pub fn set(&self, backend: usize, trouble: Option<Trouble>) {
        lock(&self.troubles)[backend] = trouble;
    }

    /// A service's.
    pub fn ledger(&self, service: usize) -> MutexGuard<'_, Ledger> {
        lock(&self.ledgers[service])
    }

    /// Something that must not happen did.
    pub fn fault(&self, what: String) {
        lock(&self.faults).push(what);
    }

    /// All of these.
    pub fn faults(&self) -> Vec<String> {
        lock(&self.faults).clone()
    }

    /// Counts one.
    pub fn counted(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// Nobody panics with one of these in hand.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}
