//! The HTTP tier: services with `protocol = "http"`, served by the daemon itself.
//!
//! ```text
//! sockets -> connection (PROXY, TLS, hyper) -> request: incoming -> session -> outgoing -> forward -> pool -> backend
//!                                                            |
//!                                                            +-> the packet program's decision, on its sessions
//! ```
//! It depends on `model`, `plan` and the sessions of `dataplane`; none of them knows of it. Each worker is a thread with
//! sockets, connections and a handle on the sessions of its own; what they serve is replaced whole with each plan.

mod answer;
mod body;
mod connection;
pub mod cookie;
pub mod descriptors;
pub mod explain;
pub mod figures;
mod forward;
pub mod forwarded;
mod gathered;
pub mod hop;
mod incoming;
mod local;
mod open;
mod outgoing;
mod patience;
mod pool;
pub mod proxy_protocol;
mod reply;
mod request;
mod session;
mod site;
mod sockets;
mod stall;
pub mod tls;
mod upgrade;
mod worker;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    os::unix::net::UnixStream,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_common::state::Event;
use rustls::ServerConfig;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::error;

use self::{
    descriptors::Descriptors,
    figures::{Counters, Figures},
    session::{Desk, DigestKey, Repinned, Served, Upstream},
    sockets::Sockets,
    worker::{Handle, Offer, Order},
};
use crate::{
    dataplane::{Kernel, Promises},
    model::{Model, Protocol, Service},
    plan::State,
    secrets::Keys,
};

/// Reports of broken promises that wait for the daemon's task at most.
const REPORTS: usize = 1024;

/// The running tier.
#[derive(Debug)]
pub struct Tier {
    workers: Vec<Handle>,
    /// Where workers listen.
    sockets: Sockets,
    /// What another process left to be listened at.
    inherited: Sockets,
    served: HashMap<String, Arc<Served>>,
    tls: HashMap<String, Option<Arc<ServerConfig>>>,
    counters: Arc<Counters>,
    repinned: Arc<Repinned>,
    events: Sender<Event>,
    /// Of services that have none of their own.
    keys: Option<Keys>,
    digest_key: DigestKey,
}

/// What a model takes that may fail: nothing has changed before it is put into force.
#[derive(Debug)]
pub struct Prepared {
    sockets: Sockets,
    tls: HashMap<String, Option<Arc<ServerConfig>>>,
}

/// What a backend bears and has borne.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Open requests and upgraded connections.
    pub open: u64,
    /// Requests.
    pub requests: u64,
    /// Bytes of bodies to it.
    pub bytes: u64,
    /// Bytes of bodies from it.
    pub reply_bytes: u64,
}

impl Tier {
    /// A tier that serves nothing yet, and whatever it reports of broken promises.
    pub fn new() -> (Self, Receiver<Event>) {
        let (events, reports) = channel(REPORTS);
        let tier = Self {
            workers: Vec::new(),
            sockets: Sockets::default(),
            inherited: Sockets::default(),
            served: HashMap::new(),
            tls: HashMap::new(),
            counters: Arc::default(),
            repinned: Arc::default(),
            events,
            keys: None,
            digest_key: DigestKey::default(),
        };
        (tier, reports)
    }

    /// Seals the cookies of services that have no keys of their own with these from now on, and knows clients by digests with
    /// this key. Sessions outlive neither of them.
    pub fn know_by(&mut self, keys: Option<Keys>, digest_key: [u64; 2]) {
        self.keys = keys.or(self.keys.take());
        self.digest_key = digest_key;
    }

    /// Was it told what to know clients by?
    pub const fn knows(&self) -> bool {
        self.keys.is_some()
    }

    /// Takes what `model` needs and the tier does not have yet.
    ///
    /// # Errors
    /// An address is another program's.
    pub fn prepare(&self, model: &Model) -> Result<Prepared> {
        let wanted = addresses(model).map(|(_, address)| address);
        let sockets = self.sockets.at(wanted, &self.inherited, threads()).map_err(|(address, error)| {
            let owner =
                addresses(model).find(|(_, at)| *at == address).map_or("", |(service, _)| &service.name);
            anyhow::Error::from(error).context(format!("service {owner}: cannot listen at {address}"))
        })?;
        Ok(Prepared {
            sockets,
            tls: services(model).map(|service| (service.name.clone(), tls::config(service))).collect(),
        })
    }

    /// Serves `model`, which `state` has installed, with what was prepared for it.
    ///
    /// # Errors
    /// Too many files are open, or there are too many threads.
    pub fn follow(
        &mut self,
        model: &Model,
        state: &State,
        kernel: &Kernel,
        prepared: Prepared,
    ) -> Result<()> {
        self.tls = prepared.tls;
        if self.workers.is_empty() && !self.tls.is_empty() {
            let descriptors = Descriptors::allowed();
            for number in 0..threads() {
                let promises = kernel.promises().context("cannot share the sessions")?;
                self.workers.push(self.worker(number, promises, &descriptors)?);
            }
        }
        self.publish(model, state, &prepared.sockets);
        self.sockets = prepared.sockets;
        self.inherited = Sockets::default();
        Ok(())
    }

    /// Goes on as `state` says now.
    pub fn update(&mut self, model: &Model, state: &State) {
        if !self.workers.is_empty() {
            self.publish(model, state, &Sockets::default());
        }
    }

    fn worker(&self, number: usize, promises: Promises, descriptors: &Descriptors) -> Result<Handle> {
        let (counters, events) = (Arc::clone(&self.counters), self.events.clone());
        let desk = move || Desk::new(promises, counters, events);
        Handle::start(number, desk, Arc::clone(&self.repinned), descriptors.clone())
            .context("cannot start a worker of the HTTP tier")
    }

    /// Workers serve this from now on, and listen at `sockets` besides where they do already.
    fn publish(&mut self, model: &Model, state: &State, sockets: &Sockets) {
        let before = std::mem::take(&mut self.served);
        for service in services(model) {
            let keys = service.http.as_ref().and_then(|http| http.keys.as_ref()).or(self.keys.as_ref());
            let before = before.get(&service.name).map(Arc::as_ref);
            if let Some(served) =
                keys.and_then(|keys| Served::of(service, state, (keys.clone(), self.digest_key), before))
            {
                self.served.insert(service.name.clone(), Arc::new(served));
            }
        }
        for (name, gone) in before {
            let now = self.served.get(&name);
            gone.leave(|upstream| now.is_some_and(|now| now.has(upstream)));
        }
        for (number, worker) in self.workers.iter().enumerate() {
            let offers = addresses(model).filter_map(|(service, address)| {
                let served = Arc::clone(self.served.get(&service.name)?);
                // Not known yet: it is not prepared.
                let tls = self.tls.get(&service.name)?.clone();
                let listeners = sockets.share(address, number, self.workers.len()).unwrap_or_else(|error| {
                    error!("service {}: cannot listen at {address}: {error}", service.name);
                    Vec::new()
                });
                Some((address, Offer { served, tls, listeners }))
            });
            worker.order(Order::Serve(offers.collect()));
        }
    }

    /// What the sessions of all services count.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A service's figures.
    pub fn figures(&self, service: &str) -> Option<&Figures> {
        self.served.get(service).map(|served| &*served.figures)
    }

    /// A backend's figures.
    pub fn load(&self, service: &str, backend: &str) -> Option<Load> {
        let upstreams = &self.served.get(service)?.upstreams;
        let Upstream { open, requests, bytes, reply_bytes, .. } =
            &**upstreams.values().find(|upstream| upstream.name == backend)?;
        Some(Load {
            open: open.load(Relaxed).into(),
            requests: requests.load(Relaxed),
            bytes: bytes.load(Relaxed),
            reply_bytes: reply_bytes.load(Relaxed),
        })
    }

    /// Listens at the sockets of another process, as far as a model has their addresses: takes them from `stream` until that
    /// ends.
    ///
    /// # Errors
    /// The connection failed.
    pub fn inherit(&mut self, stream: &UnixStream) -> io::Result<()> {
        self.inherited = Sockets::receive(stream)?;
        Ok(())
    }

    /// Gives the sockets to another process, which takes in who comes from now on once this one has stopped.
    ///
    /// # Errors
    /// The other process is gone.
    pub fn hand_over(&self, stream: &UnixStream) -> io::Result<()> {
        self.sockets.send(stream)
    }

    /// Takes nobody in any more, and waits until those who are here are done: for as long as the most patient service says.
    pub fn stop(self) {
        let patience = self.served.values().map(|served| served.http.timeouts.shutdown).max();
        for worker in &self.workers {
            worker.order(Order::Stop(patience.unwrap_or(Duration::ZERO)));
        }
        self.workers.into_iter().for_each(Handle::join);
    }
}

/// One worker for each CPU.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn services(model: &Model) -> impl Iterator<Item = &Service> {
    model.services.iter().filter(|service| service.protocol == Protocol::Http)
}

/// Where each service is called.
fn addresses(model: &Model) -> impl Iterator<Item = (&Service, SocketAddr)> {
    services(model).flat_map(|service| {
        service.ports.numbers().iter().map(move |&port| (service, SocketAddr::new(service.address, port)))
    })
}
