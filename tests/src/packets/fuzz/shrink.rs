//! A finding, made small: fewer steps, fewer services, a shorter and emptier last packet.

use std::time::{Duration, Instant};

use super::{
    duel::Duel,
    history::{Finding, Look, replay},
    step::Step,
};

/// Time that is spent on it.
const PATIENCE: Duration = Duration::from_secs(45);

/// Makes a finding small. One that does not come again stays as it is, and says so.
pub fn shrink(duel: &mut Duel, found: Finding) -> Finding {
    let Finding { sites, steps, what } = found;
    let Some((number, again)) = replay(duel, &sites, &steps, Look::Always) else {
        return Finding { sites, steps, what: format!("{what}\n(It did not come again in a replay.)") };
    };
    let steps = steps[..number].to_vec();
    let mut shrinker =
        Shrinker { duel, best: Finding { sites, steps, what: again }, started: Instant::now() };
    shrinker.fewer_steps();
    shrinker.fewer_sites();
    shrinker.fewer_steps();
    shrinker.shorter();
    shrinker.emptier();
    shrinker.best
}

struct Shrinker<'a> {
    duel: &'a mut Duel,
    best: Finding,
    started: Instant,
}

impl Shrinker<'_> {
    /// Takes the candidate if it still shows a disagreement, at whatever step.
    fn accept(&mut self, mut candidate: Finding) -> bool {
        if self.started.elapsed() > PATIENCE {
            return false;
        }
        let replayed = replay(self.duel, &candidate.sites, &candidate.steps, Look::AtLast);
        let Some((number, what)) = replayed else { return false };
        candidate.steps.truncate(number);
        candidate.what = what;
        self.best = candidate;
        true
    }

    fn with(&self, steps: Vec<Step>) -> Finding {
        Finding { sites: self.best.sites.clone(), steps, what: String::new() }
    }

    /// Leaves out ever smaller parts of what came before.
    fn fewer_steps(&mut self) {
        let mut size = self.best.steps.len() / 2;
        while size > 0 {
            let mut end = self.best.steps.len().saturating_sub(1);
            while end > 0 && self.started.elapsed() < PATIENCE {
                let begin = end.saturating_sub(size);
                let mut steps = self.best.steps.clone();
                steps.drain(begin..end);
                let candidate = self.with(steps);
                self.accept(candidate);
                end = begin.min(self.best.steps.len().saturating_sub(1));
            }
            size /= 2;
        }
    }

    fn fewer_sites(&mut self) {
        for at in (0..self.best.sites.len()).rev() {
            let mut candidate = self.with(self.best.steps.clone());
            candidate.sites.remove(at);
            self.accept(candidate);
        }
    }

    /// Cuts bytes off the last packet's end, ever fewer.
    fn shorter(&mut self) {
        let mut by = self.last().len() / 2;
        while by > 0 {
            let length = self.last().len();
            if length < 14 + by || !self.edit(|frame| frame.truncate(length - by)) {
                by /= 2;
            }
        }
    }

    /// Sets bytes of the last packet to zero.
    fn emptier(&mut self) {
        for at in (0..self.last().len()).rev() {
            if self.last().get(at).is_some_and(|&byte| byte != 0) {
                self.edit(|frame| frame[at] = 0);
            }
        }
    }

    fn last(&self) -> &[u8] {
        match self.best.steps.last() {
            Some(Step::Packet(frame, _)) => frame,
            _ => &[],
        }
    }

    fn edit(&mut self, change: impl Fn(&mut Vec<u8>)) -> bool {
        let mut steps = self.best.steps.clone();
        let Some(Step::Packet(frame, _)) = steps.last_mut() else { return false };
        change(frame);
        let candidate = self.with(steps);
        self.accept(candidate)
    }
}
