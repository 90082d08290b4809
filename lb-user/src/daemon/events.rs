//! Broken promises as the packet program reports them, put into words and kept for a while.

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use aya::maps::{MapData, RingBuf};
use lb_common::{
    state::{BackendId, Cause, Event},
    time::Tick,
};
use tokio::io::unix::AsyncFd;

use super::core::Core;
use crate::{
    api::{Broken, Events},
    clock, dataplane,
    model::Service,
    plan,
};

/// Events that are kept for those who ask later.
const KEPT: usize = 1_000;

/// The reports of the packet program, and those of late in words.
pub(super) struct Reports {
    ring: AsyncFd<RingBuf<MapData>>,
    recent: VecDeque<Broken>,
    last: u64,
    run: u64,
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reports").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Reports {
    /// Listens to `ring`.
    pub(super) fn new(ring: RingBuf<MapData>) -> Result<Self> {
        // SAFETY: the descriptor is the ring's own, and stays open and the same for as long as the ring lives.
        let ring = unsafe { AsyncFd::register(ring) }?;
        Ok(Self { ring, recent: VecDeque::new(), last: 0, run: rand::random() })
    }

    /// The next report. May be dropped and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let mut ready =
                self.ring.readable_mut().await.expect("the ring is open for as long as the daemon runs");
            if let Some(event) = ready.get_inner_mut().next().and_then(|item| dataplane::plain(&item)) {
                return event;
            }
            ready.clear_ready();
        }
    }

    fn keep(&mut self, event: Broken) {
        self.last += 1;
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(Broken { number: self.last, ..event });
    }

    /// Events after the one of this number, as far as they are kept.
    pub(super) fn after(&self, number: u64) -> Events {
        let events = self.recent.iter().filter(|event| event.number > number).cloned().collect();
        Events { events, last: self.last, run: self.run }
    }
}

impl Core {
    /// Puts a report into words.
    pub(super) fn note_broken(&mut self, event: &Event) {
        // By number in one pass, as a mass failure sends hundreds a second, among thousands of services.
        let entry = self.state.services.values().map(|it| it.entry).find(|it| it.number == event.service());
        let is_its = |it: &&Service| entry.is_some_and(|entry| plan::scope(&it.name) == entry.name);
        // A service that left meanwhile has nobody to tell.
        let Some(service) = self.model.services.iter().find(is_its) else { return };
        let client = service.persistence.known_as(event.key.client.into());
        let (Some(client), Some(cause)) = (client, Cause::ALL.get(event.column())) else { return };
        let [old, new] = event.backends();
        let name = |id: BackendId| self.backend_name(id);
        self.events.keep(Broken {
            number: 0,
            time: time_of(event.tick()),
            service: service.name.clone(),
            client,
            cause: cause.name().to_owned(),
            old: name(old),
            new: name(new),
        });
    }
}

/// The moment of a tick.
fn time_of(tick: Tick) -> SystemTime {
    let ago = Tick::seconds(clock::now().since(tick));
    SystemTime::now().checked_sub(Duration::from_secs_f64(ago)).unwrap_or(SystemTime::UNIX_EPOCH)
}
