//! The host engine: the packet path over plain collections, for tests, benches and forecasts.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    ops::Deref,
    rc::Rc,
};

use crate::{
    frame::{Frame, Wire},
    net::{Ip, Mac},
    packet::ETHERNET,
    reason::Reason,
    settings::{Fixed, Settings},
    shared::Word,
    state::{
        AccessKey, AddressBit, Admission, Audit, Backend, BackendId, Binding, Bucket, Budget, CidConfig,
        Event, Expense, Handover, Load, MemberKey, Meter, Pin, Port, ServerHome, ServerKey, Service,
        ServiceKey, Session, SessionKey, Traffic, Tunnel,
        stranger::{self, Survey},
    },
    tables::{Cache, Store, Tables},
    time::Tick,
};

/// A packet in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostFrame {
    /// The bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
    /// Interface it came in by.
    pub ingress: u32,
    /// Bytes that can be put before it.
    pub headroom: usize,
    /// Bytes of tags that were stepped over.
    tags: usize,
}

impl HostFrame {
    /// Bytes that XDP has before a packet (`XDP_PACKET_HEADROOM`).
    const HEADROOM: usize = 256;

    /// A packet that came in by the interface `ingress`.
    pub const fn new(bytes: Vec<u8>, ingress: u32) -> Self {
        Self { bytes, ingress, headroom: Self::HEADROOM, tags: 0 }
    }

    fn slice(&self, at: usize, bytes: usize) -> Option<&[u8]> {
        self.bytes.get(at..at.checked_add(bytes)?)
    }
}

impl Frame for HostFrame {
    fn read<T: Wire>(&self, offset: usize) -> Option<T> {
        let bytes = self.slice(self.tags + offset, size_of::<T>())?;
        // SAFETY: the slice has the size of a `T`, any bytes are a `T` (`Wire`), unaligned is fine.
        Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }

    fn view<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { assert!(align_of::<T>() == 1) };
        let bytes = self.slice(self.tags + offset, size_of::<T>())?;
        // SAFETY: the slice has the size of a `T`, any bytes are a `T` (`Wire`), any address is aligned.
        Some(unsafe { &*bytes.as_ptr().cast::<T>() })
    }

    fn write<T: Wire>(&mut self, offset: usize, value: T) -> Option<()> {
        let at = self.tags + offset;
        let bytes = self.bytes.get_mut(at..at.checked_add(size_of::<T>())?)?;
        // SAFETY: the slice has the size of a `T`, unaligned is fine.
        unsafe { bytes.as_mut_ptr().cast::<T>().write_unaligned(value) };
        Some(())
    }

    fn macs(&self) -> Option<(Mac, Mac)> {
        let (&destination, rest) = self.bytes.split_first_chunk()?;
        Some((Mac::from_bytes(destination), Mac::from_bytes(*rest.first_chunk()?)))
    }

    fn set_macs(&mut self, destination: Mac, source: Mac) -> Option<()> {
        let both = self.bytes.first_chunk_mut::<12>()?;
        both[..6].copy_from_slice(&destination.bytes());
        both[6..].copy_from_slice(&source.bytes());
        Some(())
    }

    fn tags(&self) -> usize {
        self.tags
    }

    fn step_over(&mut self, tags: usize) {
        self.tags = tags;
    }

    fn grow(&mut self, bytes: usize) -> Option<()> {
        let at = self.tags + ETHERNET;
        self.bytes.get(..at)?;
        self.headroom = self.headroom.checked_sub(bytes)?;
        self.bytes.splice(at..at, std::iter::repeat_n(0, bytes));
        Some(())
    }

    fn shrink(&mut self, bytes: usize) -> Option<()> {
        let at = self.tags + ETHERNET;
        self.slice(at, bytes)?;
        self.headroom += bytes;
        self.bytes.drain(at..at + bytes);
        Some(())
    }

    fn truncate(&mut self, end: usize) -> Option<()> {
        self.bytes.truncate(self.tags + end);
        Some(())
    }

    fn sum(&self, offset: usize, bytes: usize) -> Option<u64> {
        let bytes = self.slice(self.tags + offset, bytes)?;
        let (words, []) = bytes.as_chunks() else { return None };
        Some(words.iter().map(|&word| u64::from(u32::from_ne_bytes(word))).sum())
    }

    fn holds(&self, bytes: usize) -> bool {
        self.bytes.len() >= self.tags + bytes
    }

    fn ingress(&self) -> u32 {
        self.ingress
    }
}

/// All tables, in plain collections. The fields are the maps; tests and the daemon's double fill
/// them directly.
#[derive(Debug, Default)]
pub struct HostTables {
    /// The time; stands still until it is set.
    pub now: Cell<Tick>,
    /// As loaded.
    pub settings: Settings,
    /// `FLOWS`.
    pub flows: Vec<Bucket>,
    /// `FRAGMENTS`.
    pub fragments: Vec<Bucket>,
    /// `BINDINGS`.
    pub bindings: Vec<Binding>,
    /// `PORTS`.
    pub ports: Vec<Port>,
    /// `CURSOR`.
    pub cursor: RefCell<BTreeMap<u32, u32>>,
    /// `BUDGET`.
    pub budget: Cell<Budget>,
    /// `HANDOVER`.
    pub handover: RefCell<Rc<Handover>>,
    /// `SERVICES`.
    pub services: BTreeMap<ServiceKey, Service>,
    /// `SLOTS`.
    pub slots: Vec<u32>,
    /// `BACKENDS`.
    pub backends: Vec<Backend>,
    /// `HEALTH`.
    pub health: Vec<u32>,
    /// `LOADS`.
    pub loads: Vec<Load>,
    /// `MEMBERS`.
    pub members: BTreeMap<MemberKey, BackendId>,
    /// `MASKS`.
    pub masks: BTreeMap<AccessKey, u32>,
    /// `GHOSTS`.
    pub ghosts: Vec<Word>,
    /// `STRANGERS`.
    pub strangers: Vec<Word>,
    /// `SOURCES`.
    pub sources: Vec<Ip>,
    /// `ACCESS`.
    pub access: BTreeMap<AccessKey, Admission>,
    /// `QUIC`.
    pub quic: Vec<CidConfig>,
    /// `SERVER_IDS`.
    pub servers: BTreeMap<ServerKey, ServerHome>,
    /// `TUNNELS`.
    pub tunnels: [Tunnel; Tunnel::COUNT as usize],
    /// `ANSWERS`.
    pub answers: Cell<Meter>,
    /// `PINS` and `AFFINITY`, by [`Store`].
    pub sessions: [RefCell<HashMap<SessionKey, Rc<Session>>>; 2],
    /// Entries each of `PINS` and `AFFINITY` takes; neither evicts here.
    pub session_limit: [usize; 2],
    /// `COUNTERS`.
    pub counters: RefCell<BTreeMap<Reason, u64>>,
    /// `AUDIT`, by service number.
    pub audit: RefCell<BTreeMap<u32, Audit>>,
    /// `EVENTS`, none left out.
    pub events: RefCell<Vec<Event>>,
    /// `TRAFFIC`.
    pub traffic: RefCell<BTreeMap<BackendId, Traffic>>,
}

impl HostTables {
    /// Empty tables with the geometry of `settings`: everybody is a stranger.
    pub fn new(settings: Settings) -> Self {
        let buckets = |mask: Fixed| {
            std::iter::repeat_with(Bucket::default).take(mask.get() as usize + 1).collect::<Vec<_>>()
        };
        let words =
            |number: u32| std::iter::repeat_with(Word::default).take(number as usize).collect::<Vec<_>>();
        let ghosts = settings.ghost_mask.get() + 1;
        let strangers = words(stranger::words(ghosts));
        Survey::begin(&strangers).finish();
        let ports = (settings.lane_mask.get() as usize + 1) * settings.port_count.get() as usize;
        Self {
            settings,
            flows: buckets(settings.bucket_mask),
            fragments: buckets(settings.fragment_mask),
            bindings: std::iter::repeat_with(Binding::default).take(ports).collect(),
            ports: std::iter::repeat_with(Port::default).take(ports).collect(),
            ghosts: words(ghosts),
            strangers,
            session_limit: [usize::MAX; 2],
            ..Self::default()
        }
    }
}

/// A reference to an entry in place, or a counted one to an entry of a growing map.
#[derive(Debug)]
pub enum HostRef<'a, V> {
    /// In place.
    Borrowed(&'a V),
    /// Counted.
    Counted(Rc<V>),
}

impl<V> Deref for HostRef<'_, V> {
    type Target = V;

    fn deref(&self) -> &V {
        match self {
            Self::Borrowed(value) => value,
            Self::Counted(value) => value,
        }
    }
}

/// What the longest prefix of a list says that a client is in.
fn longest<V: Copy>(trie: &BTreeMap<AccessKey, V>, list: u32, client: Ip) -> Option<V> {
    let client = u128::from_be_bytes(client.bytes());
    (0..=AccessKey::ADDRESS).rev().find_map(|bits| {
        let host = u128::MAX.checked_shr(bits).unwrap_or(0);
        let first = Ip::from_bytes((client & !host).to_be_bytes());
        trie.get(&AccessKey::new(list, first, bits)).copied()
    })
}

const fn store_index(store: Store) -> usize {
    match store {
        Store::Pins => 0,
        Store::Affinity => 1,
    }
}

impl Tables for HostTables {
    type Ref<'a, V: 'a> = HostRef<'a, V>;

    fn now(&self) -> Tick {
        self.now.get()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn bucket(&self, cache: Cache, index: u32) -> Option<HostRef<'_, Bucket>> {
        let buckets = match cache {
            Cache::Flows => &self.flows,
            Cache::Fragments => &self.fragments,
        };
        buckets.get(index as usize).map(HostRef::Borrowed)
    }

    fn binding(&self, index: u32) -> Option<HostRef<'_, Binding>> {
        self.bindings.get(index as usize).map(HostRef::Borrowed)
    }

    fn port(&self, index: u32) -> Option<HostRef<'_, Port>> {
        self.ports.get(index as usize).map(HostRef::Borrowed)
    }

    fn walk(&self, lane: u32) -> u32 {
        self.cursor.borrow().get(&lane).copied().unwrap_or_default()
    }

    fn walk_on(&self, lane: u32, at: u32) {
        self.cursor.borrow_mut().insert(lane, at);
    }

    fn hand_over(&self, write: impl FnOnce(&mut Handover)) {
        let mut handover = Handover::default();
        write(&mut handover);
        self.handover.replace(Rc::new(handover));
    }

    fn handed_over(&self) -> Option<HostRef<'_, Handover>> {
        Some(HostRef::Counted(self.handover.borrow().clone()))
    }

    fn spend(&self, expense: Expense) -> bool {
        let mut budget = self.budget.get();
        let left = budget.spend(expense, self.now(), &self.settings);
        self.budget.set(budget);
        left
    }

    fn note_full(&self) {
        let mut budget = self.budget.get();
        budget.note_full(self.now());
        self.budget.set(budget);
    }

    fn is_full(&self) -> bool {
        self.budget.get().is_full(self.now())
    }

    fn addresses(&self, index: u32) -> u64 {
        let marks = self.services.keys().filter(|key| **key == ServiceKey::any_port(key.address));
        let bits = marks.map(|mark| AddressBit::of(&self.settings, mark.address));
        bits.filter(|bit| bit.index == index).fold(0, |word, bit| word | bit.mask)
    }

    fn service(&self, key: &ServiceKey) -> Option<HostRef<'_, Service>> {
        self.services.get(key).map(HostRef::Borrowed)
    }

    fn slot(&self, index: u32) -> Option<BackendId> {
        self.slots.get(index as usize).copied().map(BackendId)
    }

    fn backend(&self, id: BackendId) -> Option<HostRef<'_, Backend>> {
        self.backends.get(id.0 as usize).map(HostRef::Borrowed)
    }

    fn health_word(&self, id: BackendId) -> u32 {
        self.health.get(id.0 as usize).copied().unwrap_or_default()
    }

    fn load(&self, id: BackendId) -> Option<HostRef<'_, Load>> {
        self.loads.get(id.0 as usize).map(HostRef::Borrowed)
    }

    fn member(&self, key: &MemberKey) -> Option<BackendId> {
        self.members.get(key).copied()
    }

    fn mask(&self, list: u32, client: Ip) -> Option<u32> {
        longest(&self.masks, list, client)
    }

    fn ghost(&self, index: u32) -> Option<HostRef<'_, Word>> {
        self.ghosts.get(index as usize).map(HostRef::Borrowed)
    }

    fn strangers(&self, index: u32) -> Option<&Word> {
        self.strangers.get(index as usize)
    }

    fn source(&self, index: u8) -> Option<Ip> {
        self.sources.get(usize::from(index)).copied()
    }

    fn allows(&self, list: u32, client: Ip) -> bool {
        longest(&self.access, list, client) == Some(Admission::Allow)
    }

    fn quic(&self, index: u32) -> Option<HostRef<'_, CidConfig>> {
        self.quic.get(index as usize).map(HostRef::Borrowed)
    }

    fn server(&self, key: &ServerKey) -> Option<ServerHome> {
        self.servers.get(key).copied()
    }

    fn tunnel(&self, index: u32) -> Option<HostRef<'_, Tunnel>> {
        self.tunnels.get(index as usize).map(HostRef::Borrowed)
    }

    fn may_answer(&self) -> bool {
        let mut meter = self.answers.get();
        let allowed = meter.take(self.now());
        self.answers.set(meter);
        allowed
    }

    fn session(&self, store: Store, key: &SessionKey) -> Option<HostRef<'_, Session>> {
        self.sessions[store_index(store)].borrow().get(key).cloned().map(HostRef::Counted)
    }

    fn insert_session(&self, store: Store, key: &SessionKey, pin: &Pin) -> bool {
        let mut sessions = self.sessions[store_index(store)].borrow_mut();
        let room = sessions.len() < self.session_limit[store_index(store)] || sessions.contains_key(key);
        if room {
            sessions.insert(*key, Rc::new((*pin).into()));
        }
        room
    }

    fn remove_session(&self, store: Store, key: &SessionKey) {
        self.sessions[store_index(store)].borrow_mut().remove(key);
    }

    fn count(&self, reason: Reason) {
        *self.counters.borrow_mut().entry(reason).or_default() += 1;
    }

    fn kept(&self, service: u32) {
        self.audit.borrow_mut().entry(service).or_default().kept += 1;
    }

    fn broken(&self, event: &Event) {
        let mut audit = self.audit.borrow_mut();
        audit.entry(event.service()).or_default().broken[event.column()] += 1;
        self.events.borrow_mut().push(*event);
    }

    fn traffic(&self, id: BackendId, add: impl FnOnce(&mut Traffic)) {
        add(self.traffic.borrow_mut().entry(id).or_default());
    }
}
