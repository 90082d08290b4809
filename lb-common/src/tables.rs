//! The tables that the decision reads and writes, as a trait: BPF maps in the kernel, plain
//! collections on the host, system calls in `explain`.

use core::ops::Deref;

use crate::{
    net::{Address, Ip},
    packet::{Packet, TcpFlags},
    quic,
    reason::Reason,
    settings::Settings,
    shared::Word,
    stage::{Packed, flow, nat, promise},
    state::{
        Backend, BackendId, Binding, Bucket, CidConfig, CidOctets, Event, Expense, Handover, Health, Load,
        MemberKey, Pin, Port, ServerHome, ServerKey, Service, ServiceKey, Session, SessionKey, Traffic,
        Tunnel,
        flow::{Entry, Phase},
    },
    time::Tick,
};

/// Which map a session is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Store {
    /// `PINS`: proven clients, never evicted.
    Pins,
    /// `AFFINITY`: the others, least recently used first.
    Affinity,
}

/// Which array a bucket is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    /// `FLOWS`: connections.
    Flows,
    /// `FRAGMENTS`: packets whose first fragment went by, and where to.
    Fragments,
}

/// Read and write access to everything the packet path knows.
///
/// A method that takes an index returns `None` beyond the table's end; the kernel's verifier wants
/// the check, and callers drop or pass the packet.
pub trait Tables {
    /// How an entry is referred to: a plain reference where entries stay in place.
    type Ref<'a, V: 'a>: Deref<Target = V>
    where
        Self: 'a;

    /// The coarse clock.
    fn now(&self) -> Tick;
    /// What was fixed at load time.
    fn settings(&self) -> &Settings;

    /// A bucket of `FLOWS` or `FRAGMENTS`.
    fn bucket(&self, cache: Cache, index: u32) -> Option<Self::Ref<'_, Bucket>>;
    /// An entry of `BINDINGS`.
    fn binding(&self, index: u32) -> Option<Self::Ref<'_, Binding>>;
    /// An entry of `PORTS`.
    fn port(&self, index: u32) -> Option<Self::Ref<'_, Port>>;
    /// Where this CPU's walk over the ports of a lane stands: it starts at a different place on each.
    fn walk(&self, _lane: u32) -> u32 {
        0
    }
    /// Has the walk go on there.
    fn walk_on(&self, _lane: u32, _at: u32) {}

    /// Writes this CPU's `HANDOVER`, for the program that goes on with a packet.
    fn hand_over(&self, _write: impl FnOnce(&mut Handover)) {}

    /// What [`Tables::hand_over`] wrote; nothing in tables that are only asked questions.
    fn handed_over(&self) -> Option<Self::Ref<'_, Handover>> {
        None
    }

    /// Spends one of this CPU's budget of this tick; false if nothing is left of it.
    fn spend(&self, expense: Expense) -> bool;

    /// Notes that `PINS` had no room.
    fn note_full(&self);

    /// Had it none a short time ago, as far as this CPU knows?
    fn is_full(&self) -> bool;

    /// A word of `ADDRESSES`; 0 beyond its end.
    fn addresses(&self, index: u32) -> u64;
    /// An entry of `SERVICES`.
    fn service(&self, key: &ServiceKey) -> Option<Self::Ref<'_, Service>>;
    /// An entry of `SLOTS`.
    fn slot(&self, index: u32) -> Option<BackendId>;
    /// An entry of `BACKENDS`.
    fn backend(&self, id: BackendId) -> Option<Self::Ref<'_, Backend>>;
    /// An entry of `HEALTH`: 0, which is [`Health::Absent`], beyond its end.
    fn health_word(&self, id: BackendId) -> u32;

    /// A backend's state.
    #[inline(always)]
    fn health(&self, id: BackendId) -> Health {
        Health::from_word(self.health_word(id))
    }

    /// An entry of `LOADS`.
    fn load(&self, id: BackendId) -> Option<Self::Ref<'_, Load>>;

    /// An entry of `MEMBERS`.
    fn member(&self, key: &MemberKey) -> Option<BackendId>;

    /// Bits of `client`'s address that identify it by the list of masks of this number, if one is for it.
    fn mask(&self, list: u32, client: Ip) -> Option<u32>;

    /// A word of `GHOSTS`.
    fn ghost(&self, index: u32) -> Option<Self::Ref<'_, Word>>;
    /// A word of `STRANGERS`; nobody is certainly a stranger where there is none.
    fn strangers(&self, index: u32) -> Option<&Word>;
    /// An entry of `SOURCES`.
    fn source(&self, index: u8) -> Option<Ip>;

    /// Does the access list of this number let `client` in? See [`crate::state::access`].
    fn allows(&self, list: u32, client: Ip) -> bool;
    /// An entry of `TUNNELS`.
    fn tunnel(&self, index: u32) -> Option<Self::Ref<'_, Tunnel>>;
    /// May this CPU send one more answer of our own? If so, it is counted (`ANSWERS`).
    fn may_answer(&self) -> bool;

    /// An entry of `QUIC`.
    fn quic(&self, index: u32) -> Option<Self::Ref<'_, CidConfig>>;
    /// An entry of `SERVER_IDS`.
    fn server(&self, key: &ServerKey) -> Option<ServerHome>;

    /// A stored session.
    fn session(&self, store: Store, key: &SessionKey) -> Option<Self::Ref<'_, Session>>;
    /// Stores a session, of one who may be taken for a stranger: see [`session::put`]. False if the map refuses.
    fn insert_session(&self, store: Store, key: &SessionKey, pin: &Pin) -> bool;
    /// Forgets a session.
    fn remove_session(&self, store: Store, key: &SessionKey);

    /// [`flow::keep`]. The kernel's tables make this a function that the verifier walks by itself, once, and
    /// not again for each way to get there.
    fn keep<A: Address>(&self, packet: &Packet<A>, entry: Entry) -> Option<Phase>
    where
        Self: Sized,
    {
        flow::keep(packet, self, entry)
    }

    /// [`flow::renew`], for the same reason.
    fn renew<A: Address>(&self, packet: &Packet<A>, old: Entry, new: Entry) -> bool
    where
        Self: Sized,
    {
        flow::renew(packet, self, old, new)
    }

    /// [`promise::choose`], for the same reason: a backend's id, or the reason why there is none.
    fn promise(&self, service: &Service, key: &SessionKey, opens: bool) -> Packed
    where
        Self: Sized,
    {
        promise::choose(self, service, key, opens).map(|id| u64::from(id.0)).into()
    }

    /// [`nat::take`].
    fn take_port(&self, lane: u32, protocol: u8, tcp: TcpFlags) -> Option<u32>
    where
        Self: Sized,
    {
        nat::take(self, lane, protocol, tcp)
    }

    /// [`quic::read`].
    fn read_id(&self, config: u32, id: &mut CidOctets) -> bool
    where
        Self: Sized,
    {
        quic::read(self, config, id)
    }

    /// Counts one `reason`.
    fn count(&self, reason: Reason);

    /// Counts a promise that was kept by the service of this number.
    fn kept(&self, service: u32);

    /// Counts a promise that was broken, under its cause, and reports it if not too many were of late.
    fn broken(&self, event: &Event);
    /// Adds to a backend's figures.
    fn traffic(&self, id: BackendId, add: impl FnOnce(&mut Traffic));
}
