use proptest::prelude::*;

use super::*;
use crate::{state::BackendId, time::Tick};

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
    let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n << 17).wrapping_mul(0xff51_afd7_ed55_8ccd);
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

#[test]
fn of_two_copies_the_one_that_is_found_is_written_again() {
    for (one, other) in [(0, 3), (3, 0), (1, 2)] {
        let bucket = Bucket::default();
        for hash in [5, 5 | 1 << 8, 5 | 2 << 8, 5 | 3 << 8] {
            for at in [one, other] {
                bucket.ways[at].fill(hash, entry(9, Phase::Closing, NOW), 1);
            }
            let fresh = entry(8, Phase::New, NOW);
            insert(&bucket, hash, fresh, 1);
            assert_eq!(find(&bucket, hash, 1), Some(fresh), "{hash:#x} in {one} and {other}");
        }
    }
}
