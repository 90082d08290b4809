//! `FLOWS`: the microflow cache. One 64-byte bucket, one cache line, holds four connections.
//!
//! A tuple's hash leads to two buckets. A connection goes into the first while that is nearly empty,
//! else into the emptier of the two, so that a table with twice as many ways as connections holds
//! all but 0.03 % of them (one choice of four ways: all but 4 %), and 90 % of those in their first
//! line. A look-up needs the second line only if the first holds [`CROWDED`] ways or more.
//!
//! A way is two words:
//!
//! ```text
//! check   bits  0..32  tag: low half of the tuple's hash
//!         bits 32..64  guard: high half of the hash ^ digest(target, generation)
//! value   bits  0..48  target: backend (20), source index (8), reply (1), source port (16),
//!                      and the interface that the last packet came in by (3, its index modulo 8)
//!         bits 48..64  phase (2) and age (14): the tick of the last refresh
//! ```
//!
//! Where a connection holds no source port (`dsr` and tunnels), source index and port are 24 bits of the flow's hash, and
//! in the way back of one that does (see [`Target::answer`]) the index of its binding.
//!
//! *Why two CPUs can't make a false entry:* each word is written whole, so a reader may see the
//! check of one writer with the value of another, but then the guard, which binds the hash to the
//! target, does not fit, and the way counts as empty. The guard leaves phase, age and interface
//! out, so that they can be refreshed in place. It takes the backend's *generation* in, without storing it: a
//! flow of a backend that is gone stops matching the moment its index is given to another. (The
//! same trick as in the transposition tables of chess programs: Hyatt and Mann, 2002.)
//!
//! *What a false hit takes:* 64 bits of keyed hash are compared (tag and guard), of which the bucket
//! index fixes some; with 2^17 buckets a packet of an unknown tuple hits by chance once in 2^45.

use super::{BackendId, Plain, layout};
use crate::{shared::Word, time::Tick};

/// Ways in a bucket.
pub const WAYS: usize = 4;

/// Used ways from which on a bucket's connections may be in their second bucket.
const CROWDED: u32 = 3;

/// Four connections in one cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Bucket {
    /// The ways, in no order.
    pub ways: [Way; WAYS],
}
layout!(Bucket, size = 64, align = 64);
// SAFETY: eight shared words; every bit pattern is an entry, valid or not.
unsafe impl Plain for Bucket {}

/// One connection.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Way {
    /// Tag and guard.
    check: Word,
    /// Target, phase and age.
    value: Word,
}

/// Where a connection goes: the part of a way that never changes while it lives. 48 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target(u64);

impl Target {
    const REPLY: u64 = 1 << 28;
    const MASK: u64 = ((1 << 48) - 1) & !Entry::WAY;

    /// From the number that [`Target::raw`] gives.
    #[inline(always)]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw & Self::MASK)
    }

    /// The target as a number of 48 bits.
    #[inline(always)]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// A target without a binding (`dsr` and tunnels). In the place of its source and port, 24 bits in all, stand
    /// bits of the flow's hash: what tells flows apart in a tunnel.
    #[inline(always)]
    pub const fn direct(backend: BackendId, hash: u64) -> Self {
        Self::bound(backend, (hash >> 56) as u8, (hash >> 40) as u16)
    }

    /// A target with a binding at `port` (an offset in the port range) of the lane that source
    /// address `source` leads to.
    #[inline(always)]
    pub const fn bound(backend: BackendId, source: u8, port: u16) -> Self {
        Self(backend.0 as u64 | (source as u64) << 20 | (port as u64) << 32)
    }

    /// The way back through the binding at `index`, for those that don't know which port leads there; `None`
    /// beyond the 2^24 that there is room for.
    #[inline(always)]
    pub const fn answer(backend: BackendId, index: u32) -> Option<Self> {
        if index >> 24 != 0 {
            return None;
        }
        Some(Self::bound(backend, (index >> 16) as u8, index as u16).reply())
    }

    /// The index of an [`Target::answer`].
    #[inline(always)]
    pub const fn index(self) -> u32 {
        (self.source() as u32) << 16 | self.port() as u32
    }

    /// The same binding, seen from the backend.
    #[inline(always)]
    #[must_use]
    pub const fn reply(self) -> Self {
        Self(self.0 | Self::REPLY)
    }

    /// The backend.
    #[inline(always)]
    pub const fn backend(self) -> BackendId {
        BackendId(self.0 as u32 & BackendId::MAX)
    }

    /// Index of the source address in `SOURCES`.
    #[inline(always)]
    pub const fn source(self) -> u8 {
        (self.0 >> 20) as u8
    }

    /// Offset of the source port in the configured range.
    #[inline(always)]
    pub const fn port(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// 24 bits that tell flows in a tunnel apart.
    #[inline(always)]
    pub const fn entropy(self) -> u32 {
        (self.source() as u32) << 16 | self.port() as u32
    }

    /// True if this entry is for packets from the backend to the client.
    #[inline(always)]
    pub const fn is_reply(self) -> bool {
        self.0 & Self::REPLY != 0
    }
}

/// How far a connection has come. Replacement prefers lower phases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Phase {
    /// A FIN or RST was seen: the next SYN starts afresh.
    Closing = 0,
    /// One packet was seen.
    New = 1,
    /// The client came again, but may have forged its address.
    Seen = 2,
    /// The client has shown that it receives what the backend sends.
    Proven = 3,
}

impl Phase {
    /// From the lowest two bits.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Self {
        match bits & 3 {
            0 => Self::Closing,
            1 => Self::New,
            2 => Self::Seen,
            _ => Self::Proven,
        }
    }
}

/// A way's value as read at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry(u64);

impl Entry {
    const AGE_MASK: u64 = (1 << 14) - 1;
    /// The interface that the last packet came in by.
    const WAY: u64 = 7 << Self::WAY_SHIFT;
    const WAY_SHIFT: u32 = 29;
    /// No backend's: the bit says "reply".
    const CLEARED: u64 = Target::REPLY;

    /// An entry that was refreshed at `now`.
    #[inline(always)]
    pub const fn new(target: Target, phase: Phase, now: Tick) -> Self {
        Self(target.0 | (phase as u64) << 48 | (now.0 as u64 & Self::AGE_MASK) << 50)
    }

    /// From the number that [`Entry::raw`] gives.
    #[inline(always)]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The entry as a number.
    #[inline(always)]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The same, of a packet that came in by the interface `ingress`.
    #[inline(always)]
    #[must_use]
    pub const fn by(self, ingress: u32) -> Self {
        Self(self.0 & !Self::WAY | ((ingress & 7) as u64) << Self::WAY_SHIFT)
    }

    /// Might the last packet have come in by the interface `ingress`? Certainly not, if the answer is no.
    #[inline(always)]
    pub const fn came_by(self, ingress: u32) -> bool {
        (self.0 >> Self::WAY_SHIFT) as u32 & 7 == ingress & 7
    }

    /// Where the connection goes.
    #[inline(always)]
    pub const fn target(self) -> Target {
        Target(self.0 & Target::MASK)
    }

    /// How far it has come.
    #[inline(always)]
    pub const fn phase(self) -> Phase {
        Phase::from_bits(self.0 >> 48)
    }

    /// The tick of the last refresh, modulo 2^14: a good `now` for [`Entry::idle`].
    #[inline(always)]
    const fn refreshed(self) -> Tick {
        Tick((self.0 >> 50) as u32)
    }

    /// Ticks since the last refresh, modulo 2^14 (4.9 hours); 0 for one that another CPU, a tick ahead, has
    /// refreshed already.
    #[inline(always)]
    pub const fn idle(self, now: Tick) -> u32 {
        let idle = ((now.0 as u64).wrapping_sub(self.0 >> 50) & Self::AGE_MASK) as u32;
        if idle == Self::AGE_MASK as u32 { 0 } else { idle }
    }

    /// True for a way without a connection: never written, or cleared.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.target().backend().is_none()
    }

    /// What a replacement would lose: a lower rank is replaced first. No connection, then closing ones, then
    /// strangers', then proven ones; among these the longest idle.
    // A second packet costs a forger no more than the first. So it counts for something only among those that
    // are idle for as long; else newcomers would give way to what a flood left behind.
    #[inline(always)]
    const fn rank(self, now: Tick) -> u32 {
        if self.is_empty() {
            return 0;
        }
        let phase = self.phase();
        let class = match phase {
            Phase::Closing => 1,
            Phase::New | Phase::Seen => 2,
            Phase::Proven => 3,
        };
        class << 15
            | (Self::AGE_MASK as u32 - self.idle(now)) << 1
            | (phase as u32 == Phase::Seen as u32) as u32
    }
}

/// Binds a tuple's hash to a target of a generation. See the module's text.
#[inline(always)]
const fn check(hash: u64, target: Target, generation: u32) -> u64 {
    let digest = target.0.wrapping_mul(0xff51_afd7_ed55_8ccd).wrapping_add((generation as u64) << 32);
    hash ^ (digest & 0xffff_ffff_0000_0000)
}

/// Index of the first bucket that a tuple's hash leads to.
#[inline(always)]
pub const fn first_index(hash: u64, mask: u32) -> u32 {
    (hash >> 32) as u32 & mask
}

/// Index of the second. Drawn from the tag, which the first does not depend on.
#[inline(always)]
pub const fn second_index(hash: u64, mask: u32) -> u32 {
    ((hash >> 32) as u32 ^ (hash as u32).wrapping_mul(0x9e37_79b1) >> 7) & mask
}

impl Way {
    /// The entry of this moment.
    #[inline(always)]
    pub fn entry(&self) -> Entry {
        Entry(self.value.load())
    }

    /// Might this be the way of the tuple with this hash?
    #[inline(always)]
    fn has_tag(&self, hash: u64) -> bool {
        self.check.load() as u32 == hash as u32
    }

    /// True if this way holds `entry` for the tuple with this hash, and the entry's backend has
    /// this generation.
    #[inline(always)]
    pub fn holds(&self, hash: u64, entry: Entry, generation: u32) -> bool {
        self.check.load() == check(hash, entry.target(), generation)
    }

    /// Renews age and phase in place, unless another CPU has changed the way meanwhile.
    #[inline(always)]
    pub fn refresh(&self, old: Entry, new: Entry) {
        // Lost to another refresh, nothing is lost; lost to a replacement, there is nothing to renew.
        let _renewed = self.value.claim(old.0, new.0);
    }

    /// Fills the way.
    #[inline(always)]
    pub fn fill(&self, hash: u64, entry: Entry, generation: u32) {
        self.check.store(check(hash, entry.target(), generation));
        self.value.store(entry.0);
    }

    /// Ends the connection if nothing changed since `seen` was read; true if so: the daemon's sweep,
    /// before the 14-bit age wraps. The way stays used, as look-ups of others rely on that, and is the
    /// first to be filled again.
    pub fn clear(&self, seen: Entry) -> bool {
        self.value.claim(seen.0, Entry::CLEARED)
    }
}

/// What an insertion displaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Displaced {
    /// Nothing of worth: an empty way, an older entry of the same tuple, or one past its timeout.
    Nothing,
    /// A live connection of a client not proven.
    Stranger,
    /// A live connection of a proven client.
    Proven,
}

impl Bucket {
    /// Index of the way whose tag fits, if any. Whether its guard fits is for [`Way::holds`] to say, once
    /// the backend's generation is known.
    #[inline(always)]
    pub fn position(&self, hash: u64) -> Option<usize> {
        self.ways.iter().position(|way| way.has_tag(hash))
    }

    /// Ways that were ever written.
    // Not inlined, like `replace`: the verifier follows each way through four branches and more, and forgets
    // at the return which it was.
    #[inline(never)]
    fn used(&self) -> u32 {
        self.ways.iter().map(|way| u32::from(way.entry().0 != 0)).sum()
    }

    /// True if a connection that this is the first bucket of may be in its second.
    #[inline(always)]
    pub fn is_crowded(&self) -> bool {
        self.used() >= CROWDED
    }

    /// Stores a connection that has this as its first and `second` as its second bucket: where the tuple
    /// already is, else where there is more room, as the module's text says. What was not refreshed for `live`
    /// ticks is no loss.
    #[inline(always)]
    pub fn insert(&self, second: &Self, hash: u64, entry: Entry, generation: u32, live: u32) -> Displaced {
        let used = self.used();
        let goes_second = used >= CROWDED
            && self.position(hash).is_none()
            && (second.position(hash).is_some() || used > second.used());
        let bucket = if goes_second { second } else { self };
        bucket.replace(hash, entry, generation, live)
    }

    /// Stores a connection in the tuple's own old way, else in the one that is worth least.
    #[inline(never)]
    fn replace(&self, hash: u64, entry: Entry, generation: u32, live: u32) -> Displaced {
        if let Some(own) = self.ways.iter().find(|way| way.has_tag(hash)) {
            own.fill(hash, entry, generation);
            return Displaced::Nothing;
        }
        let now = entry.refreshed();
        let mut victim = &self.ways[0];
        let mut least = victim.entry().rank(now);
        for way in &self.ways[1..] {
            let rank = way.entry().rank(now);
            if rank < least {
                (victim, least) = (way, rank);
            }
        }
        let old = victim.entry();
        victim.fill(hash, entry, generation);
        if old.is_empty() || old.phase() == Phase::Closing || old.idle(now) > live {
            Displaced::Nothing
        } else if old.phase() == Phase::Proven {
            Displaced::Proven
        } else {
            Displaced::Stranger
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Tick = Tick(100_000);
    const LIVE: u32 = 280;

    fn entry(backend: u32, phase: Phase, now: Tick) -> Entry {
        Entry::new(Target::direct(BackendId(backend), 0), phase, now)
    }

    fn insert(bucket: &Bucket, hash: u64, entry: Entry, generation: u32) -> Displaced {
        bucket.insert(bucket, hash, entry, generation, LIVE)
    }

    fn find(bucket: &Bucket, hash: u64, generation: u32) -> Option<Entry> {
        let way = &bucket.ways[bucket.position(hash)?];
        let entry = way.entry();
        way.holds(hash, entry, generation).then_some(entry)
    }

    proptest! {
        #[test]
        fn fields_survive_packing(backend in 1..=BackendId::MAX, source in any::<u8>(), port in any::<u16>(), idle in 0u32..16383) {
            let target = Target::bound(BackendId(backend), source, port);
            let then = Tick(NOW.0 - idle);
            let entry = Entry::new(target.reply(), Phase::Seen, then);
            prop_assert_eq!(entry.target().backend(), BackendId(backend));
            prop_assert_eq!(entry.target().source(), source);
            prop_assert_eq!(entry.target().port(), port);
            prop_assert!(entry.target().is_reply() && !target.is_reply());
            prop_assert_eq!(entry.phase(), Phase::Seen);
            prop_assert_eq!(entry.idle(NOW), idle);
            let other = entry.by(idle);
            prop_assert!(other.came_by(idle) && !other.came_by(idle + 3) && entry.came_by(0));
            prop_assert_eq!((other.target(), other.phase()), (entry.target(), entry.phase()));
        }

        #[test]
        fn a_torn_way_does_not_match(h1 in any::<u64>(), h2 in any::<u64>(), b1 in 1u32..1000, b2 in 1u32..1000) {
            prop_assume!(b1 != b2 && h1 != h2);
            let torn = Way::default();
            torn.fill(h1, entry(b1, Phase::New, NOW), 1);
            torn.refresh(torn.entry(), entry(b2, Phase::New, NOW));
            prop_assert!(!torn.holds(h1, torn.entry(), 1));
        }
    }

    #[test]
    fn a_new_generation_ends_the_flow() {
        let bucket = Bucket::default();
        insert(&bucket, 42, entry(7, Phase::New, NOW), 3);
        assert!(find(&bucket, 42, 3).is_some());
        assert!(find(&bucket, 42, 4).is_none());
    }

    #[test]
    fn strangers_go_before_proven_and_the_oldest_first() {
        let bucket = Bucket::default();
        let ages = [(1, Phase::Proven, 50), (2, Phase::New, 1), (3, Phase::New, 9), (4, Phase::Proven, 2)];
        for (hash, phase, idle) in ages {
            let then = Tick(NOW.0 - idle);
            assert_eq!(insert(&bucket, hash, entry(9, phase, then), 1), Displaced::Nothing);
        }
        let add = |hash| insert(&bucket, hash, entry(9, Phase::Proven, NOW), 1);
        assert_eq!(add(5), Displaced::Stranger);
        assert!(find(&bucket, 3, 1).is_none() && find(&bucket, 2, 1).is_some());
        assert_eq!(add(6), Displaced::Stranger);
        assert_eq!(add(7), Displaced::Proven);
        assert!(find(&bucket, 1, 1).is_none() && find(&bucket, 4, 1).is_some());
    }

    #[test]
    fn a_tuple_never_takes_two_ways() {
        let bucket = Bucket::default();
        insert(&bucket, 42, entry(7, Phase::New, NOW), 3);
        insert(&bucket, 42, entry(8, Phase::New, NOW), 3);
        assert_eq!(find(&bucket, 42, 3).unwrap().target().backend(), BackendId(8));
        assert_eq!(bucket.ways.iter().filter(|w| !w.entry().is_empty()).count(), 1);
    }

    /// As many connections as configured fit: the table has two ways for each.
    #[test]
    fn a_full_load_fits() {
        const FLOWS: u64 = 1 << 17;
        let mask = (FLOWS * 2 / WAYS as u64 - 1) as u32;
        let buckets: Vec<Bucket> = std::iter::repeat_with(Bucket::default).take(mask as usize + 1).collect();
        let hash =
            |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n << 17).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let at = |hash| [first_index(hash, mask), second_index(hash, mask)].map(|i| &buckets[i as usize]);
        for n in 1..=FLOWS {
            let [first, second] = at(hash(n));
            first.insert(second, hash(n), entry(9, Phase::Proven, NOW), 1, LIVE);
        }
        let (mut lost, mut beside) = (0, 0);
        for n in 1..=FLOWS {
            let [first, second] = at(hash(n));
            if find(first, hash(n), 1).is_some() {
                continue;
            }
            beside += 1;
            lost += u64::from(!first.is_crowded() || find(second, hash(n), 1).is_none());
        }
        assert!(lost * 2_000 < FLOWS, "{lost} of {FLOWS} lost");
        assert!(beside * 8 < FLOWS, "{beside} of {FLOWS} in their second bucket");
    }

    #[test]
    fn a_second_packet_counts_only_among_equals() {
        let full = |old: u32| {
            let bucket = Bucket::default();
            for hash in 1..4 {
                insert(&bucket, hash, entry(9, Phase::Seen, Tick(NOW.0 - old)), 1);
            }
            insert(&bucket, 4, entry(9, Phase::New, NOW), 1);
            insert(&bucket, 5, entry(9, Phase::New, NOW), 1);
            find(&bucket, 4, 1).is_some()
        };
        assert!(full(1), "what a flood left behind goes before a newcomer");
        assert!(!full(0));
    }

    #[test]
    fn a_way_that_was_filled_again_is_not_cleared() {
        let way = Way::default();
        way.fill(1, entry(9, Phase::Proven, NOW), 1);
        let seen = way.entry();
        let fresh = entry(8, Phase::New, NOW);
        way.fill(2, fresh, 1);
        assert!(!way.clear(seen) && way.holds(2, fresh, 1));
        assert!(way.clear(fresh) && way.entry().is_empty());
    }

    #[test]
    fn a_cleared_way_hides_nobody() {
        let (first, second) = (Bucket::default(), Bucket::default());
        for hash in 1..=7 {
            first.insert(&second, hash, entry(9, Phase::Proven, NOW), 1, LIVE);
        }
        assert!((1..=3).all(|hash| find(&first, hash, 1).is_some()) && find(&second, 4, 1).is_some());
        assert!(first.ways.iter().all(|way| way.clear(way.entry())));
        assert!(first.is_crowded() && find(&second, 4, 1).is_some());
        assert!((1..=3).all(|hash| find(&first, hash, 1).is_none()));
        assert_eq!(first.insert(&second, 8, entry(9, Phase::New, NOW), 1, LIVE), Displaced::Nothing);
    }
}
