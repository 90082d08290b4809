//! A worker: a thread with sockets, sessions and connections of its own, so that workers wait for nobody.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    runtime,
    sync::{mpsc, watch},
    task::{LocalSet, spawn_local},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tracing::error;

use super::{
    descriptors::Descriptors,
    pool::{Key, Pool},
    session::{Desk, Repinned, Served},
    site::Site,
};

/// How often connections are looked through that nobody needed for long.
const CLEAN: Duration = Duration::from_secs(5);

/// What a worker shall serve at one address.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) served: Arc<Served>,
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Where it comes in, unless the worker listens there already.
    pub(super) listeners: Vec<TcpListener>,
}

/// What a worker is told.
#[derive(Debug)]
pub(super) enum Order {
    /// This is all that is to be served from now on.
    Serve(HashMap<SocketAddr, Offer>),
    /// Nothing any more; those who are here have so long to end.
    Stop(Duration),
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    thread: JoinHandle<()>,
}

impl Handle {
    /// Starts worker `number`.
    ///
    /// # Errors
    /// The system has no thread to spare.
    pub(super) fn start(
        number: usize,
        desk: impl FnOnce() -> Desk + Send + 'static,
        repinned: Arc<Repinned>,
        descriptors: Descriptors,
    ) -> io::Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name(format!("http-{number}")).spawn(move || {
            let worker = Rc::new(Worker {
                desk: desk(),
                repinned,
                pool: Rc::new(Pool::new(descriptors.clone())),
                descriptors,
                sites: RefCell::default(),
                number: number as u64,
                connections: Cell::new(0),
                guests: watch::Sender::new(()),
            });
            LocalSet::new().block_on(&runtime, worker.run(inbox));
        })?;
        Ok(Self { orders, thread })
    }

    pub(super) fn order(&self, order: Order) {
        // One that panicked has said so.
        let _ = self.orders.send(order);
    }

    /// Waits until it has ended.
    pub(super) fn join(self) {
        if self.thread.join().is_err() {
            error!("a worker of the HTTP tier had panicked");
        }
    }
}

/// Held for as long as a connection lives.
#[derive(Debug)]
pub(super) struct Guest(#[expect(dead_code, reason = "its existence is what counts")] watch::Receiver<()>);

/// What the tasks of a worker share.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) desk: Desk,
    pub(super) repinned: Arc<Repinned>,
    pub(super) pool: Rc<Pool>,
    pub(super) descriptors: Descriptors,
    sites: RefCell<HashMap<SocketAddr, Rc<Site>>>,
    number: u64,
    connections: Cell<u64>,
    /// As many receivers as there are connections.
    guests: watch::Sender<()>,
}

impl Worker {
    /// Tells connections of one client apart.
    pub(super) fn next(&self) -> u64 {
        self.connections.set(self.connections.get() + 1);
        self.connections.get() << 8 | self.number
    }

    /// One connection more.
    pub(super) fn guest(&self) -> Guest {
        Guest(self.guests.subscribe())
    }

    async fn run(self: Rc<Self>, mut inbox: mpsc::UnboundedReceiver<Order>) {
        let mut clean = interval(CLEAN);
        clean.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let grace = loop {
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(Order::Serve(offers)) => self.serve(offers),
                    Some(Order::Stop(grace)) => break grace,
                    None => break Duration::ZERO,
                },
                _ = clean.tick() => self.clean(),
            }
        };
        self.serve(HashMap::new());
        tokio::select! {
            () = self.guests.closed() => {}
            () = sleep_until(Instant::now() + grace) => {}
        }
    }

    fn serve(self: &Rc<Self>, mut offers: HashMap<SocketAddr, Offer>) {
        self.desk.forget();
        self.sites.borrow_mut().retain(|address, site| match offers.remove(address) {
            Some(Offer { served, tls, .. }) => {
                site.replace(served, tls);
                true
            }
            None => {
                site.close();
                false
            }
        });
        for (address, Offer { served, tls, listeners }) in offers {
            // Not prepared yet, or out of descriptors: with the next configuration.
            if listeners.is_empty() {
                continue;
            }
            let listeners: io::Result<Vec<_>> =
                listeners.into_iter().map(tokio::net::TcpListener::from_std).collect();
            match listeners {
                Ok(listeners) => {
                    let site = Site::new(served, tls);
                    for listener in listeners {
                        spawn_local(Rc::clone(&site).listen(Rc::clone(self), listener));
                    }
                    self.sites.borrow_mut().insert(address, site);
                }
                Err(error) => error!("cannot listen at {address} until the next reload: {error}"),
            }
        }
        self.clean();
    }

    /// Closes connections to backends that nobody needs.
    fn clean(&self) {
        let sites: Vec<_> = self.sites.borrow().values().map(|site| site.served()).collect();
        let longest = sites.iter().map(|served| served.http.timeouts.backend_idle).max();
        let patience = longest.filter(|_| !self.descriptors.are_scarce()).unwrap_or_default();
        let is_known = |key: &Key| {
            let upstream = sites.iter().find_map(|served| served.upstreams.get(&key.backend));
            upstream.is_some_and(|upstream| upstream.server == key.server)
        };
        self.pool.clean(patience, is_known);
    }
}
