//! The promise, kept at this tier: the packet program's own decision, on the same sessions and the same health.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    ops::Deref,
    sync::Arc,
};

use lb_common::{
    net::Ip,
    reason::Reason,
    settings::Settings,
    shared::Word,
    state::{
        Backend, BackendId, Binding, Bucket, Cause, CidConfig, Event, Expense, Load, MemberKey, Pin, Port,
        ServerHome, ServerKey, Service, ServiceKey, Session, SessionKey, Traffic, Tunnel,
    },
    tables::{Cache, Store, Tables},
    time::Tick,
};
use tokio::sync::mpsc::Sender;
use tracing::warn;

use super::Served;
use crate::{clock, dataplane::Promises, http::figures::Counters};

/// For so long after `PINS` refused somebody, it counts as full, in ticks.
const FULL_TICKS: u32 = 1;

/// A worker's access to the sessions.
#[derive(Debug)]
pub(in crate::http) struct Desk {
    promises: RefCell<Promises>,
    settings: Settings,
    full: Cell<Option<Tick>>,
    /// Entries of `HEALTH`, and when they were read: good for that tick, or until a plan comes into force.
    health: RefCell<HashMap<BackendId, (Tick, u32)>>,
    counters: Arc<Counters>,
    events: Sender<Event>,
}

impl Desk {
    pub(in crate::http) fn new(promises: Promises, counters: Arc<Counters>, events: Sender<Event>) -> Self {
        Self {
            settings: promises.settings,
            promises: RefCell::new(promises),
            full: Cell::new(None),
            health: RefCell::default(),
            counters,
            events,
        }
    }

    /// The tables as a request for `served` sees them.
    pub(in crate::http) const fn at<'a>(&'a self, served: &'a Served) -> Place<'a> {
        Place { desk: self, served }
    }

    /// What the packet program was loaded with.
    pub(in crate::http) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A plan came into force: what was read before may be past.
    pub(in crate::http) fn forget(&self) {
        self.health.borrow_mut().clear();
    }

    fn complain(error: &anyhow::Error) {
        warn!("a session can't be read or written: {error:#}");
    }
}

/// The tables of one service.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Place<'a> {
    desk: &'a Desk,
    pub(in crate::http) served: &'a Served,
}

type WriteBack<'a, V> = Box<dyn FnOnce(&V) + 'a>;

/// An entry as it was read; a session that was changed is written back.
pub(in crate::http) struct Entry<'a, V> {
    value: V,
    write_back: Option<WriteBack<'a, V>>,
}

impl<V> From<V> for Entry<'_, V> {
    fn from(value: V) -> Self {
        Self { value, write_back: None }
    }
}

impl<V> Deref for Entry<'_, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V> Drop for Entry<'_, V> {
    fn drop(&mut self) {
        if let Some(write_back) = self.write_back.take() {
            write_back(&self.value);
        }
    }
}

// What is about packets is never asked here.
impl Tables for Place<'_> {
    type Ref<'a, V: 'a>
        = Entry<'a, V>
    where
        Self: 'a;

    fn now(&self) -> Tick {
        clock::now()
    }

    fn settings(&self) -> &Settings {
        &self.desk.settings
    }

    fn bucket(&self, _cache: Cache, _index: u32) -> Option<Entry<'_, Bucket>> {
        None
    }

    fn binding(&self, _index: u32) -> Option<Entry<'_, Binding>> {
        None
    }

    fn port(&self, _index: u32) -> Option<Entry<'_, Port>> {
        None
    }

    /// Whoever has come as far as a request has proved himself.
    fn spend(&self, _expense: Expense) -> bool {
        true
    }

    fn note_full(&self) {
        self.desk.full.set(Some(self.now()));
    }

    fn is_full(&self) -> bool {
        self.desk.full.get().is_some_and(|since| self.now().since(since) <= FULL_TICKS)
    }

    fn addresses(&self, _index: u32) -> u64 {
        u64::MAX
    }

    fn service(&self, _key: &ServiceKey) -> Option<Entry<'_, Service>> {
        Some(self.served.entry.into())
    }

    fn slot(&self, index: u32) -> Option<BackendId> {
        self.served.slots.get(index as usize).map(|&id| BackendId(id))
    }

    fn backend(&self, id: BackendId) -> Option<Entry<'_, Backend>> {
        self.served.recipe(id).map(Entry::from)
    }

    fn health_word(&self, id: BackendId) -> u32 {
        let now = self.now();
        let mut known = self.desk.health.borrow_mut();
        match known.get(&id) {
            Some(&(read, word)) if read == now => word,
            _ => {
                let word = self.desk.promises.borrow().health_word(id);
                known.insert(id, (now, word));
                word
            }
        }
    }

    fn load(&self, id: BackendId) -> Option<Entry<'_, Load>> {
        self.served.load(id).map(Entry::from)
    }

    fn member(&self, key: &MemberKey) -> Option<BackendId> {
        self.served.member(key)
    }

    fn mask(&self, _list: u32, _client: Ip) -> Option<u32> {
        None
    }

    fn ghost(&self, index: u32) -> Option<Entry<'_, Word>> {
        let word = self.desk.promises.borrow().ghost(index)?.load();
        let write_back = move |place: &Word| {
            if let Some(stored) = self.desk.promises.borrow().ghost(index).filter(|_| place.load() != word) {
                stored.store(place.load());
            }
        };
        Some(Entry { value: Word::new(word), write_back: Some(Box::new(write_back)) })
    }

    /// Who asks here is looked up; [`crate::dataplane::Sessions::insert`] says who is no stranger any more.
    fn strangers(&self, _index: u32) -> Option<&Word> {
        None
    }

    fn source(&self, _index: u8) -> Option<Ip> {
        None
    }

    /// The packet program has let the client in.
    fn allows(&self, _list: u32, _client: Ip) -> bool {
        true
    }

    fn tunnel(&self, _index: u32) -> Option<Entry<'_, Tunnel>> {
        None
    }

    fn may_answer(&self) -> bool {
        false
    }

    fn quic(&self, _index: u32) -> Option<Entry<'_, CidConfig>> {
        None
    }

    fn server(&self, _key: &ServerKey) -> Option<ServerHome> {
        None
    }

    fn session(&self, store: Store, key: &SessionKey) -> Option<Entry<'_, Session>> {
        let read = self.desk.promises.borrow().sessions.get(store, key);
        let session = Session::from(read.inspect_err(Desk::complain).ok()??);
        let (before, key) = (session.words(), *key);
        let write_back = move |session: &Session| {
            // Of the requests that a session had, about, the count goes along with whatever else there is to write.
            if session.words()[..2] == before[..2] {
                return;
            }
            let mut promises = self.desk.promises.borrow_mut();
            // Somebody may have moved it meanwhile: an operator, or a packet. Then that holds.
            let is_as_it_was = |pin: &Pin| Session::from(*pin).words()[0] == before[0];
            if promises.sessions.get(store, &key).is_ok_and(|now| now.as_ref().is_some_and(is_as_it_was)) {
                // Nothing is promised by what can't be written.
                let _ = promises.sessions.replace(store, &key, session).inspect_err(Desk::complain);
            }
        };
        Some(Entry { value: session, write_back: Some(Box::new(write_back)) })
    }

    fn insert_session(&self, store: Store, key: &SessionKey, pin: &Pin) -> bool {
        let mut promises = self.desk.promises.borrow_mut();
        promises.sessions.insert(store, key, pin).inspect_err(Desk::complain).unwrap_or(false)
    }

    fn remove_session(&self, store: Store, key: &SessionKey) {
        let mut promises = self.desk.promises.borrow_mut();
        // It is found among the proven ones first.
        let _ = promises.sessions.remove(store, key).inspect_err(Desk::complain);
    }

    fn count(&self, reason: Reason) {
        self.desk.counters.count(reason);
    }

    fn kept(&self, _service: u32) {
        self.served.figures.kept();
    }

    fn broken(&self, event: &Event) {
        if let Some(&cause) = Cause::ALL.get(event.column()) {
            self.served.figures.broken(cause);
        }
        // A sample where there are many at once; all are counted.
        let _ = self.desk.events.try_send(*event);
    }

    fn traffic(&self, _id: BackendId, _add: impl FnOnce(&mut Traffic)) {}
}
