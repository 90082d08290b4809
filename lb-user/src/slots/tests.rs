use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};
use siphasher::sip::SipHasher13;

use super::*;

const SEED: [u8; 16] = *b"a seed for tests";
const LARGE: u32 = 65_536;

/// Names that look like real ones: alike but for a number.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("web-{i}")).collect()
}

/// A member for each name; `weight` by position, which is the id too.
fn members(names: &[String], weight: impl Fn(usize) -> u32) -> Vec<Member<'_>> {
    let with_weight = |(i, name)| Member { name, weight: weight(i), id: i as u32 };
    names.iter().map(String::as_str).enumerate().map(with_weight).collect()
}

fn equal(_: usize) -> u32 {
    100
}

fn mixed(i: usize) -> u32 {
    [50, 100, 150, 200][i % 4]
}

/// Both kinds of weights, with tables of three seeds.
fn of_each_weight_and_seed() -> impl Iterator<Item = (fn(usize) -> u32, [u8; 16])> {
    let weights = [equal as fn(usize) -> u32, mixed];
    weights.into_iter().flat_map(|weight| [SEED, [0; 16], [0xa5; 16]].map(|seed| (weight, seed)))
}

fn without<'a>(all: &[Member<'a>], id: u32) -> Vec<Member<'a>> {
    all.iter().copied().filter(|m| m.id != id).collect()
}

/// How many entries each id has.
fn count(ids: impl IntoIterator<Item = u32>) -> HashMap<u32, u32> {
    let mut counts = HashMap::new();
    for id in ids {
        *counts.entry(id).or_default() += 1;
    }
    counts
}

fn owned(table: &[u32], id: u32) -> usize {
    table.iter().filter(|&&owner| owner == id).count()
}

fn moved(before: &[u32], after: &[u32]) -> usize {
    before.iter().zip(after).filter(|(a, b)| a != b).count()
}

/// Entries of each member as a part of what its weight gives it.
fn loads(members: &[Member], ids: &[u32]) -> Vec<f64> {
    let counts = count(ids.iter().copied());
    let total: f64 = members.iter().map(|m| f64::from(m.weight)).sum();
    let share = |m: &Member| ids.len() as f64 * f64::from(m.weight) / total;
    members.iter().map(|m| f64::from(*counts.get(&m.id).unwrap_or(&0)) / share(m)).collect()
}

fn busiest(loads: &[f64]) -> f64 {
    loads.iter().copied().fold(0.0, f64::max)
}

fn idlest(loads: &[f64]) -> f64 {
    loads.iter().copied().fold(f64::MAX, f64::min)
}

#[test]
fn no_member_leaves_every_slot_without_an_owner() {
    assert_eq!(fill(&[], 8, SEED), [NO_BACKEND; 8]);
    let idle = Member { name: "web", weight: 0, id: 3 };
    assert_eq!(fill(&[idle], 8, SEED), [NO_BACKEND; 8]);
}

#[test]
fn one_member_owns_every_slot() {
    assert_eq!(fill(&[Member { name: "web", weight: 7, id: 3 }], 8, SEED), [3; 8]);
}

#[test]
fn a_member_without_weight_owns_nothing() {
    let names = names(3);
    let all = members(&names, |i| if i == 1 { 0 } else { 100 });
    assert_eq!(fill(&all, 256, SEED), fill(&without(&all, 1), 256, SEED));
}

#[test]
fn extreme_weights_neither_overflow_nor_leave_a_slot_free() {
    let names = names(300);
    for weight in [|_| 65_535, |i| if i == 0 { 65_535 } else { 1 }, |i| if i == 0 { 1 } else { 65_535 }] {
        let table = fill(&members(&names, weight), 1024, SEED);
        assert!(table.iter().all(|&id| id < 300));
    }
}

/// Written once, then kept: another platform, compiler or version must give these bits, or the nodes of a
/// group that is upgraded one by one would send a client to different backends.
#[test]
fn the_table_is_the_same_for_ever() {
    let golden = |names: [&'static str; 3]| {
        let member = |(i, name)| Member { name, weight: [100, 200, 50][i], id: i as u32 };
        fill(&names.into_iter().enumerate().map(member).collect::<Vec<_>>(), 32, SEED)
    };
    let table = golden(["web-1", "web-2", "a rather long name, with UTF-8: Qualle \u{1fabc}"]);
    #[rustfmt::skip]
    assert_eq!(table, [
        1, 0, 1, 2, 0, 0, 1, 1, 0, 0, 0, 1, 1, 2, 1, 2, 2, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1,
    ]);
}

#[test]
fn another_seed_gives_another_table() {
    let names = names(32);
    let all = members(&names, equal);
    let (one, two) = (fill(&all, LARGE, SEED), fill(&all, LARGE, [0; 16]));
    // Two unrelated tables agree in 1 slot of 32.
    assert!(moved(&one, &two) > LARGE as usize * 9 / 10);
}

#[test]
fn thirty_two_backends_follow_their_weights() {
    let names = names(32);
    for (weight, seed) in of_each_weight_and_seed() {
        let all = members(&names, weight);
        let loads = loads(&all, &fill(&all, LARGE, seed));
        assert!(busiest(&loads) <= 1.02, "busiest {}", busiest(&loads));
        let mean = loads.iter().map(|load| (load - 1.0).abs()).sum::<f64>() / 32.0;
        assert!(mean <= 0.025, "{mean} off on average");
        assert!(idlest(&loads) >= 0.9, "idlest {}", idlest(&loads));
    }
}

#[test]
fn removing_one_of_thirty_two_moves_little_more_than_its_own_slots() {
    let names = names(32);
    for (weight, seed) in of_each_weight_and_seed() {
        let all = members(&names, weight);
        let before = fill(&all, LARGE, seed);
        let (mut unavoidable, mut actual) = (0, 0);
        for gone in 0..8 {
            let rest = without(&all, gone);
            let after = fill(&rest, LARGE, seed);
            assert_eq!(owned(&after, gone), 0);
            assert!(busiest(&loads(&rest, &after)) <= 1.02);
            unavoidable += owned(&before, gone);
            actual += moved(&before, &after);
        }
        let ratio = actual as f64 / unavoidable as f64;
        assert!(ratio <= 1.05, "{ratio} times the unavoidable");
    }
}

#[test]
fn adding_the_thirty_second_moves_slots_to_it_and_few_others() {
    let names = names(32);
    for (weight, seed) in of_each_weight_and_seed() {
        let all = members(&names, weight);
        let after = fill(&all, LARGE, seed);
        let (mut gained, mut actual) = (0, 0);
        for new in 0..8 {
            gained += owned(&after, new);
            actual += moved(&fill(&without(&all, new), LARGE, seed), &after);
        }
        let ratio = actual as f64 / gained as f64;
        assert!(ratio <= 1.05, "{ratio} times what the new one gained");
    }
}

#[test]
fn a_changed_weight_moves_slots_of_its_backend_and_few_others() {
    let names = names(32);
    let before = fill(&members(&names, equal), LARGE, SEED);
    let after = fill(&members(&names, |i| if i == 5 { 200 } else { 100 }), LARGE, SEED);
    let gained = owned(&after, 5) - owned(&before, 5);
    let ratio = moved(&before, &after) as f64 / gained as f64;
    assert!(ratio <= 1.06, "{ratio} times what the heavier one gained");
}

#[test]
fn a_thousand_backends_fill_a_large_table() {
    let names = names(1_000);
    let all = members(&names, equal);
    // 16 slots for each, 16.384 exactly: rounded up to 17.
    let counts = count(fill(&all, 16_384, SEED));
    assert!(counts.values().all(|&slots| slots <= 17), "busiest {:?}", counts.values().max());
    assert_eq!(counts.len(), 1_000);
}

/// The share of clients, not of slots, is what a backend feels.
#[test]
fn clients_spread_as_the_weights_say() {
    let mut random = StdRng::seed_from_u64(1);
    let strangers: Vec<IpAddr> =
        (0..10_000).map(|_| IpAddr::V4(Ipv4Addr::from_bits(random.random()))).collect();
    let structured: Vec<IpAddr> = (20..30)
        .flat_map(|b| (0..=255).flat_map(move |c| [1, 2, 10, 254].map(|d| Ipv4Addr::new(10, b, c, d).into())))
        .collect();
    let names = names(4);
    for (clients, weight) in [
        (&strangers, equal as fn(usize) -> u32),
        (&strangers, mixed),
        (&structured, equal),
        (&structured, mixed),
    ] {
        let all = members(&names, weight);
        let table = fill(&all, 4_096, SEED);
        let hash = SipHasher13::new_with_key(b"another 16 bytes");
        let slot = |client: &IpAddr| match client {
            IpAddr::V4(address) => hash.hash(&address.octets()) as usize % table.len(),
            IpAddr::V6(address) => hash.hash(&address.octets()) as usize % table.len(),
        };
        let ids: Vec<u32> = clients.iter().map(|client| table[slot(client)]).collect();
        let loads = loads(&all, &ids);
        assert!(busiest(&loads) <= 1.1, "{loads:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_members_does_not_matter(
        weights in prop::collection::vec(1_u32..=65_535, 1..24),
        seed in any::<[u8; 16]>(),
        shuffle in any::<u64>(),
    ) {
        use rand::seq::SliceRandom;
        let names = names(weights.len());
        let mut all = members(&names, |i| weights[i]);
        let table = fill(&all, 512, seed);
        all.shuffle(&mut StdRng::seed_from_u64(shuffle));
        prop_assert_eq!(fill(&all, 512, seed), table);
    }

    #[test]
    fn ids_do_not_matter(count in 1_usize..24, offset in 1_u32..1_000_000) {
        let names = names(count);
        let all = members(&names, equal);
        let renumbered: Vec<Member> = all.iter().map(|m| Member { id: m.id + offset, ..*m }).collect();
        let expected: Vec<u32> = fill(&all, 512, SEED).iter().map(|id| id + offset).collect();
        prop_assert_eq!(fill(&renumbered, 512, SEED), expected);
    }

    /// Each slot has an owner, no owner has more than its share and 2 % (rounded up), and no slot would rather be
    /// with a backend that would rather have it: with room left, or with a worse-scored slot.
    #[test]
    fn the_matching_is_full_bounded_and_stable(
        weights in prop::collection::vec(1_u32..=1_000, 1..24),
        power in 0_u32..10,
        seed in any::<[u8; 16]>(),
    ) {
        let slots = 1 << power;
        let names = names(weights.len());
        let all = members(&names, |i| weights[i]);
        let table = fill(&all, slots, seed);
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        let score = |slot: u32, id: u32| {
            let m = &all[id as usize];
            Scorer::new(m.name, m.weight, seed).score_below(SlotKey::new(slot, seed), u64::MAX)
        };

        prop_assert!(table.iter().all(|&id| (id as usize) < all.len()));
        for m in &all {
            let own: Vec<u32> = (0..slots).filter(|&slot| table[slot as usize] == m.id).collect();
            let share = f64::from(slots) * f64::from(m.weight) / total as f64;
            prop_assert!(own.len() as f64 <= (share * 1.02).max(share.ceil()) + 1e-9);
            let full = own.len() as u64 == room(slots, m.weight, total);
            let worst = own.iter().map(|&slot| score(slot, m.id)).max().flatten();
            for slot in 0..slots {
                let wants = score(slot, m.id) < score(slot, table[slot as usize]);
                prop_assert!(!wants || (full && worst < score(slot, m.id)), "slot {} and {}", slot, m.name);
            }
        }
    }
}
