//! Threads that write and read the same entries: nobody ever accepts an entry that is not what one
//! writer wrote for just this key.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use lb_common::{
    net::{Be16, Ip, Mac},
    packet::TcpFlags,
    state::{BackendId, Binding, Bound, Bucket, Phase, Port, Target, binding::Stamp, flow::Entry},
    time::Tick,
};

/// Rounds of each thread.
const ROUNDS: u64 = 300_000;
/// Different connections that fight over one bucket: enough to displace each other all the time.
const CONNECTIONS: u64 = 24;

/// Spreads numbers over 64 bits, as the tuple's hash does.
fn hash(number: u64) -> u64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Each connection has a backend of its own.
fn target(number: u64) -> Target {
    Target::bound(BackendId(number as u32 + 1), number as u8, number as u16 * 7)
}

/// What a packet does: looks its connection up, follows it and renews it, or enters it.
///
/// Returns true if it was found.
fn packet(bucket: &Bucket, number: u64, now: Tick) -> bool {
    let generation = 3;
    let hash = hash(number);
    if let Some(at) = bucket.position(hash) {
        let way = &bucket.ways[at];
        let entry = way.entry();
        if way.holds(hash, entry, generation) {
            assert_eq!(entry.target(), target(number), "connection {number} was led astray");
            way.refresh(entry, Entry::new(entry.target(), Phase::Seen, now));
            return true;
        }
    }
    bucket.insert(bucket, hash, Entry::new(target(number), Phase::New, now), generation, 280);
    false
}

#[test]
fn no_packet_follows_the_flow_of_another() {
    let bucket = Bucket::default();
    let (found, start) = (AtomicU64::new(0), Barrier::new(4));
    thread::scope(|scope| {
        for thread in 0..4 {
            let (bucket, found, start) = (&bucket, &found, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..8 * ROUNDS {
                    // Four packets of a connection at a time, so that entries are met as well as made.
                    let number = (round / 4).wrapping_mul(7 + thread) % CONNECTIONS;
                    let hit = packet(bucket, number, Tick(1000 + round as u32 % 512));
                    found.fetch_add(u64::from(hit), Relaxed);
                }
            });
        }
    });
    let found = found.into_inner();
    assert!(found > ROUNDS / 10, "{found} packets met an entry: too few to show anything");
}

/// A connection of which every word tells the number.
fn bound(number: u64) -> Bound {
    let low = number as u8;
    Bound {
        client: Ip::from_words([hash(number), hash(number + 1)]),
        client_port: Be16::new(number as u16),
        called: Be16::new(!number as u16),
        protocol: low,
        backend: BackendId(number as u32 & 0xf_ffff),
        source: low,
        generation: number as u32,
        ifindex: number as u32 + 5,
        client_mac: Mac::from_bytes([low, 1, 2, 3, 4, low]),
        local_mac: Mac::from_bytes([low; 6]),
    }
}

#[test]
fn no_reply_takes_a_half_written_way_back() {
    let (port, binding) = (Port::default(), Binding::default());
    let (read, readers, start) = (AtomicU64::new(0), AtomicU64::new(2), Barrier::new(4));
    thread::scope(|scope| {
        for thread in 0..2u64 {
            let (port, binding, readers, start) = (&port, &binding, &readers, &start);
            scope.spawn(move || {
                start.wait();
                let mut number = thread;
                while readers.load(Relaxed) != 0 {
                    // Each claim comes at a time when the last one is long forgotten, though its owner may
                    // still be writing: worse than can be, as a port rests for seconds at least.
                    let seen = port.stamp();
                    let now = Tick(seen.seen().0.wrapping_add(100_000));
                    if port.claim(seen, Stamp::first(now, TcpFlags::default(), 6)) {
                        binding.write(&bound(number));
                    }
                    number += 2;
                }
            });
        }
        for _ in 0..2 {
            let (binding, read, readers, start) = (&binding, &read, &readers, &start);
            scope.spawn(move || {
                let finished = Finished(readers);
                start.wait();
                for _ in 0..10 * ROUNDS {
                    if let Some(found) = binding.read() {
                        assert_eq!(
                            found,
                            bound(u64::from(found.generation)),
                            "a way back of several connections"
                        );
                        read.fetch_add(1, Relaxed);
                    } else {
                        // Whoever is writing may be waiting for this CPU.
                        thread::yield_now();
                    }
                }
                drop(finished);
            });
        }
    });
    let read = read.into_inner();
    assert!(read > ROUNDS / 100, "{read} reads met a connection: too few to show anything");
}

/// Counts a thread out, also if it panics: the others would go on for ever.
struct Finished<'a>(&'a AtomicU64);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[test]
fn one_port_is_never_given_twice() {
    let port = Port::default();
    let winners: Vec<AtomicU64> =
        std::iter::repeat_with(AtomicU64::default).take(10 * ROUNDS as usize).collect();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            let (port, winners, start) = (&port, &winners, &start);
            scope.spawn(move || {
                start.wait();
                loop {
                    // Free again for whoever sees it, and taken at the same moment by all who do.
                    let seen = port.stamp();
                    let round = seen.seen().0 / 100 + 1;
                    let Some(winner) = winners.get(round as usize) else { return };
                    let now = Tick(round * 100);
                    if seen.is_free(now) && port.claim(seen, Stamp::first(now, TcpFlags::default(), 17)) {
                        assert_eq!(winner.fetch_add(1, Relaxed), 0, "two got the port in round {round}");
                    }
                }
            });
        }
    });
    assert!(winners[1..].iter().all(|winner| winner.load(Relaxed) == 1), "nobody got the port");
}
