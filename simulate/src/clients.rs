//! The people: who comes when, for how long, and what they do meanwhile. The same for every design: what a client does
//! next never depends on where it was sent.
//!
//! A *session* is one client's visit, and has an address of its own. It has one to three lanes, as a browser has
//! several connections, each of which makes one connection after the other. Most are kept alive over a few requests and
//! closed, with a pause before the next; one lane in ten is a single connection for the whole visit, with a sign of life now
//! and then.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// Milliseconds.
pub type Time = u64;

/// A visit lasts at least so long.
const VISIT_LEAST: f64 = 20e3;
/// And so much longer on average.
const VISIT: f64 = 460e3;
/// One lane in so many is a single long connection.
const LONG: u32 = 10;
/// Between two signs of life of that.
const LIFE: f64 = 30e3;
/// Requests of a connection that is kept alive, on average.
const REQUESTS: f64 = 6.0;
/// Between two requests for one page.
const PAGE: f64 = 300.0;
/// Between two pages.
const THINK: f64 = 15e3;
/// Between two connections.
const PAUSE: f64 = 40e3;
/// No pause is longer: sessions don't end by being idle.
const LONGEST: f64 = 300e3;
/// Between two visits in one place of the population.
const VACANT: f64 = 2e3;

/// One client's visit.
#[derive(Debug)]
pub struct Visit {
    /// Its address.
    pub client: u32,
    /// When it ends.
    pub end: Time,
    /// When the next client takes its place.
    pub next: Time,
    /// What it does side by side, and when each lane begins.
    pub lanes: Vec<(Time, Lane)>,
}

/// The address of client `number`: as many as there are bits for, all different, and in no order.
const fn client(number: u32) -> u32 {
    0x4000_0000 | (number.wrapping_mul(0x9e37_79b1) & 0x3fff_ffff)
}

/// The address of stranger `number`; no client has it.
pub const fn stranger(number: u32) -> u32 {
    0x8000_0000 | (number.wrapping_mul(0x9e37_79b1) & 0x7fff_ffff)
}

impl Visit {
    /// The visit that begins at `now`, the `number`th of all.
    pub fn new(seed: u64, number: u32, now: Time) -> Self {
        let mut random = StdRng::seed_from_u64(seed ^ u64::from(number) << 20);
        let lasts = VISIT_LEAST + exponential(&mut random, VISIT);
        let end = now + lasts as Time;
        let next = end + 1 + exponential(&mut random, VACANT) as Time;
        let lanes = (0..random.random_range(1..=3)).map(|_| {
            let begins = now + exponential(&mut random, PAGE) as Time;
            let is_long = random.random_ratio(1, LONG);
            (begins, Lane { is_long, left: 0, random: StdRng::seed_from_u64(random.random()) })
        });
        Self { client: client(number), end, next, lanes: lanes.collect() }
    }
}

/// What a lane does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// It opens a connection, and asks for something.
    Open,
    /// It asks for something on the connection that it has.
    Talk,
    /// It closes the connection.
    Close,
}

/// One connection after the other.
#[derive(Debug)]
pub struct Lane {
    is_long: bool,
    /// Acts left of the connection that it has; 0: it has none.
    left: u32,
    random: StdRng,
}

impl Lane {
    /// What it does now, and how much later it does something again.
    pub fn act(&mut self) -> (Act, Time) {
        let random = &mut self.random;
        let (act, pause) = match self.left {
            0 => {
                self.left =
                    if self.is_long { u32::MAX } else { 1 + exponential(random, REQUESTS).ceil() as u32 };
                (Act::Open, PAGE)
            }
            1 => (Act::Close, PAUSE),
            _ if self.is_long => (Act::Talk, LIFE),
            _ => (Act::Talk, if random.random_ratio(1, 3) { THINK } else { PAGE }),
        };
        if act != Act::Open {
            self.left -= 1;
        }
        (act, 1 + exponential(random, pause) as Time)
    }
}

/// A waiting time of this mean, without memory, and no longer than [`LONGEST`] unless it is a whole visit.
fn exponential(random: &mut StdRng, mean: f64) -> f64 {
    let time = -mean * (1.0 - random.random::<f64>()).ln();
    if mean < LONGEST { time.min(LONGEST) } else { time }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nobody_has_anothers_address() {
        let all: HashSet<u32> = (0..50_000).flat_map(|number| [client(number), stranger(number)]).collect();
        assert_eq!(all.len(), 100_000);
    }

    #[test]
    fn a_lane_has_one_connection_after_the_other() {
        let visits = (0..100).map(|number| Visit::new(1, number, 0));
        for (_, mut lane) in visits.flat_map(|visit| visit.lanes) {
            let acts: Vec<Act> = (0..100).map(|_| lane.act().0).collect();
            assert_eq!(acts[0], Act::Open);
            assert!(acts.windows(2).all(|two| (two[0] == Act::Close) == (two[1] == Act::Open)), "{acts:?}");
        }
    }
}
