//! The way to each backend on the wire, from the kernel by netlink.
//!
//! The packet program asks nobody for the way out: a backend's recipe holds the interface and both MAC addresses.
//! [`Resolver`] finds them (route, then neighbour), watches both, and reports every [`Change`].
//!
//! **Keeping neighbours alive.** XDP traffic does not pass the kernel's neighbour cache, which would let an entry in
//! heavy use grow stale and be collected. So every [`CONFIRM_EVERY`] each next hop that the kernel does not hold
//! confirmed is "used" by netlink (`NTF_USE`, as if a packet had been sent): the kernel resolves what is absent
//! or has failed, and verifies what is stale. It sends nothing for one that is confirmed. Over IPv6 it
//! needs a link-local address on the interface for that, as every IPv6 interface has by default. Note the kernel's
//! limit on neighbours, `net.ipv4.neigh.default.gc_thresh3` (1,024), where more backends share a segment.
//!
//! **Never worse than before.** While the kernel does not know (a flushed or stale entry, a new route whose gateway has
//! not answered yet) the last answer stands. It is withdrawn when the kernel knows better: no route, or no answer.
//!
//! [`Links`] holds the other netlink calls of the daemon: interfaces and the addresses claimed on them.
//! [`Changes`] tells when to ask for these again. All of it works in the network namespace of the thread that creates it.

mod actor;
mod announce;
mod changes;
mod links;
mod route;
mod table;

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

pub use announce::Announcer;
pub use changes::Changes;
pub use links::{Address, Claim, Interface, LinkError, Links};
use rtnetlink::MulticastGroup;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// A MAC address, as on the wire.
pub type Mac = [u8; 6];

/// How often the kernel is asked to confirm the next hops that it does not hold confirmed.
pub const CONFIRM_EVERY: Duration = Duration::from_secs(5);

/// What the packet program needs to send to a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHop {
    /// The interface on the way out.
    pub ifindex: u32,
    /// That interface's own address.
    pub source_mac: Mac,
    /// The address of the backend, or of the gateway to it.
    pub target_mac: Mac,
}

/// Why a backend can't be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The routing table has no way there, or one that refuses.
    #[error("no route to it; add a route, or correct the address")]
    NoRoute,
    /// The address is one of this host's own.
    #[error("the address is this host's own; packets to a backend must leave the host")]
    Local,
    /// The route is not for one machine.
    #[error("it is a broadcast or multicast address, not a machine's")]
    NotUnicast,
    /// No Ethernet header can be written for the way out.
    #[error("the route to it leaves by {interface}, which is not Ethernet")]
    NotEthernet {
        /// The interface's name.
        interface: String,
    },
    /// ARP or neighbour discovery had no answer.
    #[error("{via} does not answer on {interface}; is it up, and on that segment?")]
    Unanswered {
        /// The backend itself, or the gateway to it.
        via: IpAddr,
        /// The interface's name.
        interface: String,
    },
    /// The kernel did not do as asked.
    #[error("the kernel refused to {what}: {error}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        error: String,
    },
}

/// The way to an address is known now, or has changed, or is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// One of the addresses asked for.
    pub address: IpAddr,
    /// The way there now.
    pub next_hop: Result<NextHop, Unresolved>,
}

/// Keeps the way to each address of a set. Dropping it ends the watching.
#[derive(Debug)]
pub struct Resolver {
    wanted: watch::Sender<BTreeSet<IpAddr>>,
}

impl Resolver {
    /// Starts watching. Must run inside a tokio runtime. The kernel resolves for processes with `CAP_NET_ADMIN`.
    ///
    /// Changes arrive in order, and none twice in a row for an address. Each address has its first within a few
    /// seconds of being asked for, unless it is removed before.
    ///
    /// # Errors
    /// No netlink socket could be opened.
    pub fn start() -> io::Result<(Self, mpsc::UnboundedReceiver<Change>)> {
        // Two sockets: a burst of events may overrun its own, but not swallow the answer to a request.
        let (watching, _, events) = rtnetlink::new_multicast_connection(&[
            MulticastGroup::Link,
            MulticastGroup::Neigh,
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv4Rule,
            MulticastGroup::Ipv6Route,
            MulticastGroup::Ipv6Rule,
        ])?;
        let (asking, handle, _) = rtnetlink::new_connection()?;
        let mut sockets = JoinSet::new();
        sockets.spawn(watching);
        sockets.spawn(asking);

        let (wanted, following) = watch::channel(BTreeSet::new());
        let (changes, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            actor::run(handle, following, events, changes).await;
            // Dropping the set ends the sockets with the actor.
            drop(sockets);
        });
        Ok((Self { wanted }, receiver))
    }

    /// Makes `addresses` the ones that are kept. One that stays is not reported again.
    pub fn reconcile(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.wanted.send_replace(addresses.into_iter().collect());
    }

    /// Whether an address is one of those. A change that was under way while its address was taken away is stale.
    pub fn wants(&self, address: IpAddr) -> bool {
        self.wanted.borrow().contains(&address)
    }
}

/// The bits in an address, which is the length of a prefix that holds just this one.
fn full_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => Ipv6Addr::BITS as u8,
    }
}
