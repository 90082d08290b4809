//! The running maps as [`Tables`], read-only: `explain` runs the packet program's own code on them.

use std::rc::Rc;

use lb_common::{
    host::HostRef,
    net::Ip,
    reason::Reason,
    settings::Settings,
    shared::Word,
    state::{
        Admission, Backend, BackendId, Binding, Bucket, CidConfig, Event, Expense, Load, MemberKey, Pin,
        Port, ServerHome, ServerKey, Service, ServiceKey, Session, SessionKey, Traffic, Tunnel,
    },
    tables::{Cache, Store, Tables},
    time::Tick,
};

use super::Kernel;

/// A look at the maps. Nothing is written or counted through it.
#[derive(Debug)]
pub struct View<'a> {
    /// The maps.
    pub kernel: &'a Kernel,
    /// What the program was loaded with.
    pub settings: &'a Settings,
    /// The moment to judge timeouts by.
    pub now: Tick,
}

fn owned<'a, V>(value: V) -> HostRef<'a, V> {
    HostRef::Counted(Rc::new(value))
}

impl Tables for View<'_> {
    type Ref<'a, V: 'a>
        = HostRef<'a, V>
    where
        Self: 'a;

    fn now(&self) -> Tick {
        self.now
    }

    fn settings(&self) -> &Settings {
        self.settings
    }

    fn bucket(&self, cache: Cache, index: u32) -> Option<HostRef<'_, Bucket>> {
        match cache {
            Cache::Flows => self.kernel.flow_bucket(index).map(HostRef::Borrowed),
            // Nobody is asked about single packets.
            Cache::Fragments => None,
        }
    }

    fn binding(&self, _index: u32) -> Option<HostRef<'_, Binding>> {
        None
    }

    fn port(&self, _index: u32) -> Option<HostRef<'_, Port>> {
        None
    }

    fn spend(&self, _expense: Expense) -> bool {
        false
    }

    fn note_full(&self) {}

    fn is_full(&self) -> bool {
        false
    }

    fn addresses(&self, index: u32) -> u64 {
        self.kernel.addresses.get(index as usize).map_or(0, Word::load)
    }

    fn service(&self, key: &ServiceKey) -> Option<HostRef<'_, Service>> {
        self.kernel.service_entry(key).map(owned)
    }

    fn slot(&self, index: u32) -> Option<BackendId> {
        self.kernel.slot_entry(index)
    }

    fn backend(&self, id: BackendId) -> Option<HostRef<'_, Backend>> {
        self.kernel.recipe(id).ok().map(owned)
    }

    fn health_word(&self, id: BackendId) -> u32 {
        self.kernel.health_word(id)
    }

    fn load(&self, id: BackendId) -> Option<HostRef<'_, Load>> {
        self.kernel.load(id).map(HostRef::Borrowed)
    }

    fn member(&self, key: &MemberKey) -> Option<BackendId> {
        self.kernel.member(key)
    }

    fn mask(&self, list: u32, client: Ip) -> Option<u32> {
        self.kernel.own_mask(list, client)
    }

    fn ghost(&self, index: u32) -> Option<HostRef<'_, Word>> {
        let ghost = self.kernel.ghosts().get(index as usize)?.load();
        Some(owned(Word::new(ghost)))
    }

    /// Sessions are looked up: that says so, too.
    fn strangers(&self, _index: u32) -> Option<&Word> {
        None
    }

    fn source(&self, _index: u8) -> Option<Ip> {
        None
    }

    fn allows(&self, list: u32, client: Ip) -> bool {
        self.kernel.admission(list, client) == Admission::Allow
    }

    fn quic(&self, index: u32) -> Option<HostRef<'_, CidConfig>> {
        self.kernel.cid_config(index).map(owned)
    }

    fn server(&self, key: &ServerKey) -> Option<ServerHome> {
        self.kernel.server_home(key)
    }

    fn tunnel(&self, _index: u32) -> Option<HostRef<'_, Tunnel>> {
        None
    }

    fn may_answer(&self) -> bool {
        false
    }

    fn session(&self, store: Store, key: &SessionKey) -> Option<HostRef<'_, Session>> {
        self.kernel.sessions.get(store, key).ok().flatten().map(|pin| owned(pin.into()))
    }

    fn insert_session(&self, _store: Store, _key: &SessionKey, _pin: &Pin) -> bool {
        false
    }

    fn remove_session(&self, _store: Store, _key: &SessionKey) {}

    fn count(&self, _reason: Reason) {}

    fn kept(&self, _service: u32) {}

    fn broken(&self, _event: &Event) {}

    fn traffic(&self, _id: BackendId, _add: impl FnOnce(&mut Traffic)) {}
}
