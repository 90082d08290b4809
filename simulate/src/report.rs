//! Runs of all scenarios, and what came of them.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Result, anyhow};
use serde::Serialize;

use crate::{
    design::{HashBy, Which},
    ecmp,
    scenario::{BACKENDS, CALM, END, NODES, Scenario},
    tally::{Broken, Tally},
    world::{self, Settings},
};

/// What one kind of balancer made of a scenario.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Outcome {
    /// Which kind.
    pub design: Which,
    /// What was counted.
    #[serde(flatten)]
    pub tally: Tally,
}

/// A scenario, by all kinds of balancer.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The scenario in a sentence.
    pub about: &'static str,
    /// In the order of [`Which::ALL`].
    pub outcomes: Vec<Outcome>,
}

/// Everything that came of a round.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What the same figures come from again.
    pub seed: u64,
    /// Clients at any time.
    pub sessions: u32,
    /// Nodes at the beginning.
    pub nodes: usize,
    /// Backends at the beginning.
    pub backends: usize,
    /// What the router hashes.
    pub ecmp_by: ecmp::By,
    /// What the router does when nodes come and go.
    pub ecmp: ecmp::Kind,
    /// What those without sessions hash.
    pub hash_by: HashBy,
    /// The part of the run that is counted, in seconds from its beginning.
    pub counted: (u64, u64),
    /// One for each scenario.
    pub rows: Vec<Row>,
}

impl Report {
    /// Plays all of these, on as many threads as there are CPUs.
    ///
    /// # Errors
    /// See [`world::run`].
    pub fn run(settings: &Settings, scenarios: &[Scenario]) -> Result<Self> {
        let jobs: Vec<_> =
            scenarios.iter().flat_map(|scenario| Which::ALL.map(|which| (scenario, which))).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(&(scenario, which)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push((scenario.name, which, world::run(settings, scenario, which)));
            }
            done
        };
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut done = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined =
                threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a run panicked")));
            joined.collect::<Result<Vec<_>>>()
        })?
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
        let mut take = |name, design| {
            let at =
                done.iter().position(|(n, d, _)| (*n, *d) == (name, design)).expect("every job was done");
            Ok(Outcome { design, tally: done.swap_remove(at).2? })
        };
        let row = |scenario: &Scenario| {
            let outcomes = Which::ALL.into_iter().map(|which| take(scenario.name, which));
            Ok(Row {
                scenario: scenario.name,
                about: scenario.about,
                outcomes: outcomes.collect::<Result<_>>()?,
            })
        };
        let (ecmp_by, ecmp) = settings.ecmp;
        Ok(Self {
            seed: settings.seed,
            sessions: settings.sessions,
            nodes: NODES,
            backends: BACKENDS,
            ecmp_by,
            ecmp,
            hash_by: settings.hash_by,
            counted: (CALM, END),
            rows: scenarios.iter().map(row).collect::<Result<_>>()?,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} clients at any time, {} nodes, {} backends; router: {:?} by {:?}; without sessions: by {:?}; seed {}",
            self.sessions, self.nodes, self.backends, self.ecmp, self.ecmp_by, self.hash_by, self.seed
        )?;
        for row in &self.rows {
            writeln!(f, "\n{}: {}", row.scenario, row.about)?;
            writeln!(
                f,
                "  {:<24}{:>11}{:>9}{:>8}{:>8}{:>8}{:>11}{:>9}{:>8}{:>8}{:>8}",
                "",
                "connections",
                "broken",
                "node",
                "pool",
                "evicted",
                "sessions",
                "broken",
                "node",
                "pool",
                "evicted",
            )?;
            for Outcome { design, tally } in &row.outcomes {
                write!(f, "  {:<24}", design.name())?;
                for Broken { total, node, pool, eviction } in [tally.connections, tally.sessions] {
                    let percent = Broken { total, node, pool, eviction }.percent();
                    write!(f, "{total:>11}{percent:>7.2} %{node:>8}{pool:>8}{eviction:>8}")?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}
