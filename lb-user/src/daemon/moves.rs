//! `sessions move` and `undo`: sessions get another home, a few at a time, beside everything else.

mod begin;
mod journal;

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use lb_common::{
    net::Ip,
    state::{BackendId, Pin, SessionKey},
};
use tracing::{info, warn};

use self::journal::{Entry, Journal, Place};
use super::{core::Core, handle::Answer};
use crate::{
    api::{Move, MoveState, Moves, Refusal, Undone},
    dataplane::Rehomed,
};

/// Sessions that are moved in one go: some milliseconds' work.
const BATCH: usize = 500;
/// How often a move with a rate goes on.
const BEAT: Duration = Duration::from_millis(100);
/// How often a move's progress is written down.
const NOTE: Duration = Duration::from_secs(2);

/// Every move that is remembered, and the work that is under way.
#[derive(Debug)]
pub(super) struct Mover {
    journal: Journal,
    entries: Vec<Entry>,
    jobs: VecDeque<Job>,
    /// When the first job goes on.
    next: Option<Instant>,
}

/// A session, where it is, and where it goes.
type Item = (SessionKey, Pin, Pin);

/// A move, or its reversal, under way.
#[derive(Debug)]
struct Job {
    id: u64,
    sessions: VecDeque<Item>,
    rate: Option<u32>,
    begun: Instant,
    done: u64,
    noted: Instant,
    /// For a reversal: what stayed so far, and who waits for the end.
    undo: Option<(Undone, Answer<Result<Undone, Refusal>>)>,
}

impl Mover {
    /// With what earlier daemons did.
    pub(super) fn load(state: &Path) -> Self {
        let journal = Journal::new(state);
        let mut entries = journal.load();
        for entry in entries.iter_mut().filter(|entry| entry.of.state == MoveState::Running) {
            entry.of.state = MoveState::Interrupted;
            warn!(
                "move {} of sessions to {}/{} was interrupted: `limpet sessions undo {}` takes back what was done",
                entry.of.id, entry.of.service, entry.of.to, entry.of.id
            );
            if let Err(error) = journal.note(entry) {
                warn!("{error:#}");
            }
        }
        Self { journal, entries, jobs: VecDeque::new(), next: None }
    }

    /// All of them, the latest first.
    pub(super) fn list(&self) -> Moves {
        Moves { moves: self.entries.iter().rev().map(|entry| entry.of.clone()).collect() }
    }

    /// When there is something to do; `None` if there is no work.
    pub(super) const fn next(&self) -> Option<Instant> {
        self.next
    }

    fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.of.id == id)
    }

    fn push(&mut self, job: Job) {
        self.jobs.push_back(job);
        self.next.get_or_insert_with(Instant::now);
    }

    /// Writes down how far a move is.
    fn note(&mut self, id: u64) {
        if let Some(entry) = self.entries.iter().find(|entry| entry.of.id == id)
            && let Err(error) = self.journal.note(entry)
        {
            warn!("the progress of move {id} can't be written: {error:#}");
        }
    }
}

impl Core {
    /// Takes a move back; `answer` gets to know when that is done.
    pub(super) fn undo_move(&mut self, id: u64, answer: Answer<Result<Undone, Refusal>>) {
        match self.reversal(id) {
            Ok((sessions, undone)) => {
                self.mover.push(Job::new(id, sessions, None, Some((undone, answer))));
            }
            Err(refusal) => answer.give(Err(refusal)),
        }
    }

    fn reversal(&mut self, id: u64) -> Result<(VecDeque<Item>, Undone), Refusal> {
        let known = self.mover.entries.iter().find(|entry| entry.of.id == id).cloned();
        let entry = known.ok_or_else(|| {
            Refusal::not_found(format!("no move {id} is remembered: `limpet sessions moves` lists them"))
        })?;
        if entry.of.state == MoveState::Undone {
            return Err(Refusal::invalid(format!("move {id} was undone already")));
        }
        let sessions = self.mover.journal.sessions(id)?;
        let service = self.named(&entry.of.service)?.clone();
        let scope = self.state.entry(&service).map(|entry| entry.scope).unwrap_or_default();
        let homes = self.homes(&service);
        let of = |place: &Place| homes.values().find(|(it, _)| it == place).map(|(_, home)| *home);
        let mut undone = Undone { id, back: 0, kept: BTreeMap::new() };
        let back: Vec<Option<Pin>> = entry
            .homes
            .iter()
            .map(|place| of(place).filter(|_| self.takes_sessions(&service, &place.name).is_ok()))
            .collect();
        let mut queue = VecDeque::new();
        for (client, home) in sessions {
            match (of(&entry.target), back.get(home as usize).copied().flatten()) {
                (Some(target), Some(home)) => {
                    queue.push_back((SessionKey { scope, client: Ip::from(client) }, target, home));
                }
                (None, _) => *undone.kept.entry("moved on since".to_owned()).or_default() += 1,
                (_, None) => *undone.kept.entry(NO_HOME.to_owned()).or_default() += 1,
            }
        }
        // What has not been moved yet is not moved any more.
        self.mover.jobs.retain(|job| job.id != id);
        Ok((queue, undone))
    }

    /// Moves the next few sessions of the work under way.
    pub(super) fn go_on_moving(&mut self) {
        let Some(mut job) = self.mover.jobs.pop_front() else {
            self.mover.next = None;
            return;
        };
        let due = job.rate.map_or(BATCH, |rate| {
            let due = (job.begun.elapsed() + BEAT).as_secs_f64() * f64::from(rate);
            (due as u64).saturating_sub(job.done).min(BATCH as u64) as usize
        });
        let batch: Vec<_> = job.sessions.drain(..due.min(job.sessions.len())).collect();
        job.done += batch.len() as u64;
        let mut failed = None;
        for (key, from, to) in batch {
            match self.program.kernel.sessions.rehome(&key, &from, &to) {
                Ok(outcome) => {
                    self.program.forget(&key);
                    self.account(&mut job, outcome, from.backend);
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let wait = if job.rate.is_some() { BEAT } else { Duration::ZERO };
        self.mover.next = Some(Instant::now() + wait);
        if let Some(error) = failed {
            warn!("move {} can't go on: {error:#}", job.id);
            self.finish(job, MoveState::Interrupted);
        } else if job.sessions.is_empty() {
            let state = if job.undo.is_some() { MoveState::Undone } else { MoveState::Done };
            self.finish(job, state);
        } else {
            if job.noted.elapsed() >= NOTE && job.undo.is_none() {
                job.noted = Instant::now();
                self.mover.note(job.id);
            }
            // Several moves take turns.
            self.mover.jobs.push_back(job);
        }
    }

    fn account(&mut self, job: &mut Job, outcome: Rehomed, from: BackendId) {
        match &mut job.undo {
            None => {
                if outcome == Rehomed::Moved {
                    self.drains.moved(from, 1);
                }
                if let Some(entry) = self.mover.entry(job.id) {
                    match outcome {
                        Rehomed::Moved => entry.of.moved += 1,
                        Rehomed::Ended | Rehomed::Elsewhere => entry.of.skipped += 1,
                    }
                }
            }
            Some((undone, _)) => match outcome {
                Rehomed::Moved => undone.back += 1,
                Rehomed::Ended => *undone.kept.entry("ended".to_owned()).or_default() += 1,
                Rehomed::Elsewhere => *undone.kept.entry("not at the target".to_owned()).or_default() += 1,
            },
        }
    }

    fn finish(&mut self, job: Job, state: MoveState) {
        if let Some(entry) = self.mover.entry(job.id) {
            entry.of.state = state;
            let Move { id, moved, skipped, .. } = entry.of;
            info!("move {id} is {}: {moved} sessions moved, {skipped} skipped", state.name());
        }
        self.mover.note(job.id);
        if let Some((undone, answer)) = job.undo {
            answer.give(Ok(undone));
        }
    }
}

/// Why a session stays where it was moved.
const NO_HOME: &str = "its old backend is gone, or takes no new sessions";

impl Job {
    fn new(
        id: u64,
        sessions: VecDeque<Item>,
        rate: Option<u32>,
        undo: Option<(Undone, Answer<Result<Undone, Refusal>>)>,
    ) -> Self {
        let now = Instant::now();
        Self { id, sessions, rate, begun: now, done: 0, noted: now, undo }
    }
}
