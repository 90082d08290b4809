//! A short round of the fuzzer; the long one is `cargo xtask fuzz`.

use std::time::{Duration, Instant};

use limpet_tests::packets::{fuzz::Fuzz, kernel::pin_to};

/// Histories that are always played: enough to reach everything there is to reach.
const FIXED: std::ops::Range<u64> = 0..32;
/// Time for others, by seeds that nobody chose.
const OTHERS: Duration = Duration::from_secs(8);

#[test]
fn both_worlds_agree() {
    // The first CPU's walk over source ports starts where the host engine's does.
    pin_to(0);
    let mut fuzz = Fuzz::new();
    fuzz.corpus().unwrap_or_else(|found| panic!("{found}"));
    for seed in FIXED {
        fuzz.play(seed).unwrap_or_else(|found| panic!("{found}"));
    }
    assert!(fuzz.missed().is_empty(), "no packet reached {:?}", fuzz.missed());
    let (started, first) = (Instant::now(), u64::from(rand::random::<u32>()));
    println!("random seeds from {first} on");
    for seed in (first..).take_while(|_| started.elapsed() < OTHERS) {
        fuzz.play(seed).unwrap_or_else(|found| panic!("{found}"));
    }
    println!("{}", fuzz.summary());
}
