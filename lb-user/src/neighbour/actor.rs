//! The task behind the resolver: it alone holds the state, so nothing here needs a lock.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    pin::pin,
    time::Duration,
};

use futures_util::{Stream, StreamExt, TryStreamExt};
use netlink_packet_route::{
    RouteNetlinkMessage,
    neighbour::{NeighbourFlags, NeighbourState},
};
use rtnetlink::{
    Handle,
    packet_core::{NetlinkMessage, NetlinkPayload},
    sys::SocketAddr,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};

use super::{
    CONFIRM_EVERY, Change, NextHop, Unresolved, route,
    table::{Effect, Path, Table},
};

/// How old an event gets before it is acted on, where more may follow: routes often change many at a time, and a
/// neighbour that is deleted first fails.
const SETTLE: Duration = Duration::from_millis(50);

/// How often everything is read anew, in case an event was lost.
const RESYNC_EVERY: Duration = Duration::from_secs(60);

type Event = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr);

struct Actor {
    handle: Handle,
    table: Table,
    entries: BTreeMap<IpAddr, Entry>,
    /// Routes have changed since they were last looked up.
    reroute: bool,
    changes: mpsc::UnboundedSender<Change>,
}

/// An address that is kept.
struct Entry {
    path: Result<Path, Unresolved>,
    /// The last change that was sent.
    told: Option<Result<NextHop, Unresolved>>,
}

/// Runs until the other side of `wanted` is dropped.
pub(super) async fn run(
    handle: Handle,
    mut wanted: watch::Receiver<BTreeSet<IpAddr>>,
    mut events: impl Stream<Item = Event> + Unpin,
    changes: mpsc::UnboundedSender<Change>,
) {
    let mut actor =
        Actor { handle, table: Table::default(), entries: BTreeMap::new(), reroute: false, changes };
    // The events were subscribed to before this, so that nothing falls between.
    actor.resync().await;
    let mut confirm = interval_at(Instant::now() + CONFIRM_EVERY, CONFIRM_EVERY);
    let mut resync = interval_at(Instant::now() + RESYNC_EVERY, RESYNC_EVERY);
    confirm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut settled_at: Option<Instant> = None;
    loop {
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
                let addresses = wanted.borrow_and_update().clone();
                actor.follow(addresses).await;
            }
            Some((message, _)) = events.next() => match message.payload {
                NetlinkPayload::InnerMessage(message) if actor.take(&message) => {
                    settled_at.get_or_insert_with(|| Instant::now() + SETTLE);
                }
                NetlinkPayload::Overrun(_) => resync.reset_immediately(),
                _ => {}
            },
            () = sleep_until(settled_at.unwrap_or_else(Instant::now)), if settled_at.is_some() => {
                settled_at = None;
                actor.settle().await;
            }
            _ = confirm.tick() => actor.confirm().await,
            _ = resync.tick() => actor.resync().await,
        }
    }
}

impl Actor {
    /// Makes `addresses` the ones that are kept.
    async fn follow(&mut self, addresses: BTreeSet<IpAddr>) {
        self.entries.retain(|address, _| addresses.contains(address));
        let new = addresses.into_iter().filter(|address| !self.entries.contains_key(address)).collect();
        for (address, path) in route::look_up_all(&self.handle, new).await {
            self.entries.insert(address, Entry { path, told: None });
        }
        self.tell_and_confirm().await;
    }

    /// Reads links, neighbours and routes anew.
    async fn resync(&mut self) {
        match dump(&self.handle).await {
            Ok(table) => self.table = table,
            Err(error) => {
                tracing::warn!(%error, "links and neighbours could not be read; keeping what is known");
            }
        }
        self.reroute().await;
    }

    /// Takes an event; whether there is something to settle.
    fn take(&mut self, message: &RouteNetlinkMessage) -> bool {
        match self.table.apply(message) {
            Effect::Nothing => false,
            Effect::Neighbour(path) if matches!(self.table.next_hop(path), Some(Err(_))) => {
                self.entries.values().any(|entry| entry.path == Ok(path))
            }
            Effect::Neighbour(path) => {
                self.tell(|entry| entry.path == Ok(path));
                false
            }
            // Thousands of addresses that the daemon claims must not have all ways looked up again and again.
            Effect::RouteTo(address) if !self.entries.contains_key(&address) => false,
            Effect::RouteTo(_) | Effect::Routes => {
                self.reroute = true;
                true
            }
        }
    }

    async fn settle(&mut self) {
        if self.reroute {
            self.reroute().await;
        } else {
            self.tell(|_| true);
        }
    }

    /// Looks up every route anew.
    async fn reroute(&mut self) {
        self.reroute = false;
        let known = self.entries.keys().copied().collect();
        for (address, path) in route::look_up_all(&self.handle, known).await {
            if let Some(entry) = self.entries.get_mut(&address) {
                entry.path = path;
            }
        }
        self.tell_and_confirm().await;
    }

    async fn tell_and_confirm(&mut self) {
        self.tell(|_| true);
        self.confirm().await;
    }

    /// Sends what is new of some entries.
    fn tell(&mut self, which: impl Fn(&Entry) -> bool) {
        let some = self.entries.iter_mut().filter(|(_, entry)| which(entry));
        for (address, entry) in some {
            entry.tell(*address, &self.table, &self.changes);
        }
    }

    /// Has the kernel resolve or verify each next hop that it does not hold confirmed.
    async fn confirm(&mut self) {
        let paths = self.entries.values().filter_map(|e| e.path.as_ref().ok());
        let unconfirmed: HashSet<Path> = paths.copied().filter(|&path| !self.table.confirmed(path)).collect();
        let mut refused = HashMap::new();
        for path in unconfirmed {
            if let Err(error) = make_use_of(&self.handle, path).await {
                refused.insert(path, error.to_string());
            }
        }
        for (address, entry) in &mut self.entries {
            let Ok(path) = entry.path else { continue };
            if let (Some(error), None) = (refused.get(&path), self.table.next_hop(path)) {
                let answer = Unresolved::Refused { what: "resolve the next hop", error: error.clone() };
                entry.say(*address, Err(answer), &self.changes);
            }
        }
    }
}

impl Entry {
    /// Sends what is known now, unless that is nothing, or nothing new.
    fn tell(&mut self, address: IpAddr, table: &Table, changes: &mpsc::UnboundedSender<Change>) {
        let known = match &self.path {
            Ok(path) => table.next_hop(*path),
            Err(unresolved) => Some(Err(unresolved.clone())),
        };
        if let Some(next_hop) = known {
            self.say(address, next_hop, changes);
        }
    }

    fn say(
        &mut self,
        address: IpAddr,
        next_hop: Result<NextHop, Unresolved>,
        changes: &mpsc::UnboundedSender<Change>,
    ) {
        if self.told.as_ref() != Some(&next_hop) {
            self.told = Some(next_hop.clone());
            // Nobody listens: the resolver is about to be dropped.
            let _ = changes.send(Change { address, next_hop });
        }
    }
}

/// All links and neighbours.
async fn dump(handle: &Handle) -> Result<Table, rtnetlink::Error> {
    let mut table = Table::default();
    // One after the other: a socket does one dump at a time.
    let mut links = pin!(handle.link().get().execute());
    while let Some(link) = links.try_next().await? {
        table.apply(&RouteNetlinkMessage::NewLink(link));
    }
    let mut neighbours = pin!(handle.neighbours().get().execute());
    while let Some(neighbour) = neighbours.try_next().await? {
        table.apply(&RouteNetlinkMessage::NewNeighbour(neighbour));
    }
    Ok(table)
}

/// Does to the neighbour what sending a packet to it would do, without a packet: an absent or failed one is
/// resolved, a stale one verified. Never for a permanent one: it would be permanent no more.
async fn make_use_of(handle: &Handle, Path { ifindex, via }: Path) -> Result<(), rtnetlink::Error> {
    handle
        .neighbours()
        .add(ifindex, via)
        .state(NeighbourState::None)
        .flags(NeighbourFlags::Use)
        .replace()
        .execute()
        .await
}
