//! Slot tables against Maglev's: how evenly they spread, and how much they move beyond what they must.

use std::fmt;

use lb_user::slots::{self, Member};
use serde::Serialize;

use crate::maglev;

/// Slots: the most that a service may have, and next to [`maglev::SIZE`].
pub const SLOTS: u32 = 65_536;

/// How one algorithm did in a case.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// Of the backend with the most slots beyond its share: its slots by its share; the worst of all tables.
    pub busiest: f64,
    /// Slots that moved by those that had to, over all tables.
    pub moved: f64,
    /// The same, of the worst table.
    pub moved_worst: f64,
}

/// A change of the pool, made to tables of several seeds.
#[derive(Debug, Serialize)]
pub struct Case {
    /// In words.
    pub about: String,
    /// Limpet's.
    pub limpet: Figures,
    /// Maglev's, on the same input.
    pub maglev: Figures,
}

/// How a table is filled.
type Fill = fn(&[Member<'_>], [u8; 16]) -> Vec<u32>;

fn limpet(members: &[Member<'_>], seed: [u8; 16]) -> Vec<u32> {
    slots::fill(members, SLOTS, seed)
}

fn maglev(members: &[Member<'_>], seed: [u8; 16]) -> Vec<u32> {
    maglev::fill(members, maglev::SIZE, seed)
}

/// What weights a pool has.
type Weigh = fn(usize) -> u32;

const WEIGHTS: [(&str, Weigh); 2] =
    [("equal weights", |_| 100), ("weights 50, 100, 150, 200", |at| [50, 100, 150, 200][at % 4])];

/// Each change with tables of so many seeds.
///
/// Of a pool, each of the first backends goes once for each seed, of another weight each time.
pub fn compare(seeds: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for backends in [10, 32, 100] {
        for (weights, weigh) in WEIGHTS {
            let names: Vec<_> = (1..=backends).map(|number| format!("web-{number}")).collect();
            let members: Vec<_> = names
                .iter()
                .enumerate()
                .map(|(at, name)| Member { name, weight: weigh(at), id: at as u32 })
                .collect();
            let go = |fill| leave(&members, seeds, fill);
            cases.push(Case {
                about: format!("{backends} -> {}, {weights}", backends - 1),
                limpet: go(limpet),
                maglev: go(maglev),
            });
        }
    }
    cases
}

/// A backend of each weight leaves, in tables of each seed.
fn leave(members: &[Member<'_>], seeds: u64, fill: Fill) -> Figures {
    let mut figures = Figures::default();
    let (mut moved, mut unavoidable) = (0, 0);
    for seed in 1..=seeds {
        let seed = u128::from(seed).to_le_bytes();
        let before = fill(members, seed);
        figures.busiest = figures.busiest.max(busiest(members, &before));
        for gone in 0..4 {
            let rest: Vec<_> = members.iter().filter(|member| member.id != gone).copied().collect();
            let after = fill(&rest, seed);
            figures.busiest = figures.busiest.max(busiest(&rest, &after));
            let must = before.iter().filter(|&&owner| owner == gone).count();
            let did = before.iter().zip(&after).filter(|(a, b)| a != b).count();
            figures.moved_worst = figures.moved_worst.max(did as f64 / must as f64);
            moved += did;
            unavoidable += must;
        }
    }
    figures.moved = moved as f64 / unavoidable as f64;
    figures
}

/// The most that a backend has of what its weight gives it.
fn busiest(members: &[Member<'_>], table: &[u32]) -> f64 {
    let mut owned = vec![0.0; 1 + members.iter().map(|member| member.id as usize).max().unwrap_or(0)];
    table.iter().for_each(|&owner| owned[owner as usize] += 1.0);
    let total: f64 = members.iter().map(|member| f64::from(member.weight)).sum();
    let load = |member: &Member<'_>| {
        owned[member.id as usize] / (table.len() as f64 * f64::from(member.weight) / total)
    };
    members.iter().map(load).fold(0.0, f64::max)
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<40}", self.about)?;
        for Figures { busiest, moved, moved_worst } in [self.limpet, self.maglev] {
            write!(f, "{busiest:>10.4}{moved:>9.3}{moved_worst:>9.3}")?;
        }
        Ok(())
    }
}

/// The head of a list of cases.
pub fn head() -> String {
    format!(
        "{:<40}{:>28}{:>28}\n{:<40}{:>10}{:>9}{:>9}{:>10}{:>9}{:>9}",
        "",
        "Limpet, 65,536 slots",
        "Maglev, 65,537",
        "",
        "busiest",
        "moved",
        "worst",
        "busiest",
        "moved",
        "worst"
    )
}
