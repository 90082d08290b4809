//! Generated packets, for the two worlds to disagree about.
//!
//! A *history* is a few thousand steps from one seed: packets of clients, answers of backends, ICMP errors
//! about both, fragments, extension headers, tunnels, whatever else there is, a part of it broken; and
//! between them what the daemon does, and time. Both worlds take the same steps ([`Duel`]), and after each
//! packet the verdict and every byte must be the same, after each few hundred all counters, at the end all
//! sessions. What left is judged by a library that knows nothing of the packet path ([`judge`]).
//!
//! Time goes by in steps only (see [`super::age`]), so a seed gives the same history on every machine, fast
//! or slow. A disagreement is made small ([`shrink`]) and printed as a row for
//! `table/rows/regressions.rs`.

mod answers;
mod clients;
mod corpus;
mod duel;
mod generate;
mod history;
mod judge;
mod lists;
mod mutate;
mod report;
mod services;
mod shrink;
mod step;
mod strange;
mod wire;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use lb_common::reason::{Kind, Reason};
use rand::{Rng as _, rngs::StdRng};

pub use self::{
    duel::{Duel, Halt},
    history::Finding,
    lists::install as install_lists,
    step::{Change, Step},
};
use super::table::Geometry;

/// Tables so small that they fill up, even with proven clients'; the source ports are the range that a service's
/// and clients' own ports lie in.
pub const TIGHT: Geometry =
    Geometry { buckets: 16, pins: 8, ports: (2000, 2255), fragments: 4, ..Geometry::ROOMY };
/// Tables with room, so that connections live long, but few source ports, and budgets that are soon spent.
pub const ROOMY: Geometry =
    Geometry { buckets: 1024, ports: (2078, 2082), new_flows: 200, new_pins: 1, ..Geometry::ROOMY };

/// Steps of a history.
const HISTORY: usize = 8_000;

/// A round of histories.
#[derive(Debug)]
pub struct Fuzz {
    duels: [(Geometry, Duel); 2],
    counted: BTreeMap<Reason, u64>,
    started: Instant,
}

impl Fuzz {
    /// Loads the program, once for each size of tables.
    pub fn new() -> Self {
        let duels = [TIGHT, ROOMY].map(|geometry| (geometry, Duel::new(geometry)));
        Self { duels, counted: BTreeMap::new(), started: Instant::now() }
    }

    /// Plays the corpus in both sizes.
    ///
    /// # Errors
    /// The finding, as a row and with what differs.
    pub fn corpus(&mut self) -> Result<(), String> {
        for (name, history) in corpus::read() {
            for (geometry, duel) in &mut self.duels {
                if let Some((number, what)) =
                    history::replay(duel, &history.sites, &history.steps, history::Look::Always)
                {
                    let Finding { sites, steps, .. } = history;
                    let found = Finding { sites, steps: steps[..number].to_vec(), what };
                    return Err(format!("corpus {name}:\n{}", tell(duel, found, *geometry, 0)));
                }
            }
        }
        Ok(())
    }

    /// Plays the history of a seed.
    ///
    /// # Errors
    /// As [`Fuzz::corpus`].
    pub fn play(&mut self, seed: u64) -> Result<(), String> {
        let (geometry, duel) = &mut self.duels[(seed % 2) as usize];
        match history::play(duel, seed, HISTORY) {
            Ok(counted) => {
                for (reason, count) in counted {
                    *self.counted.entry(reason).or_default() += count;
                }
                Ok(())
            }
            Err(found) => Err(format!("seed {seed}:\n{}", tell(duel, found, *geometry, seed))),
        }
    }

    /// Packets that were played to the end of their history.
    pub fn packets(&self) -> u64 {
        let fates = self.counted.iter().filter(|(reason, _)| reason.kind() != Kind::Event);
        fates.map(|(_, count)| count).sum()
    }

    /// Reasons that were never counted: what no packet reached. But for one where the kernel can't show it.
    pub fn missed(&self) -> Vec<&'static str> {
        let count = |reason: &Reason| self.counted.get(reason).copied().unwrap_or(0);
        let shows = |reason: &Reason| *reason != Reason::NoHeadroom || self.duels[0].1.leaves_less_headroom;
        let missed = Reason::ALL.iter().filter(|reason| count(reason) == 0 && shows(reason));
        missed.map(|reason| reason.name()).collect()
    }

    /// What was counted, and how fast.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for (reason, count) in &self.counted {
            let _ = writeln!(text, "{:<26} {count:>12}", reason.name());
        }
        let took = self.started.elapsed().max(Duration::from_millis(1));
        let rate = self.packets() as f64 / took.as_secs_f64();
        let _ =
            writeln!(text, "{} packets in {:.1} s, {rate:.0} a second", self.packets(), took.as_secs_f64());
        text
    }
}

impl Default for Fuzz {
    fn default() -> Self {
        Self::new()
    }
}

/// A finding, made small, for people and for `table/rows/regressions.rs`.
fn tell(duel: &mut Duel, found: Finding, geometry: Geometry, seed: u64) -> String {
    let small = shrink::shrink(duel, found);
    format!("{}\n\n{}", small.what, report::row(&small, geometry, seed))
}

/// One of these, by lot.
fn pick<T: Copy>(random: &mut StdRng, of: &[T]) -> T {
    of[random.random_range(0..of.len())]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}
