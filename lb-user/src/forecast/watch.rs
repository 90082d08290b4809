//! What is seen of a crowd: how long its members have been away, at one moment after the other.

use lb_common::time::Tick;

use super::{
    Outlook,
    chain::{Chain, STEPS},
};

/// The part that must have ended before anything is said.
const ENOUGH: f64 = 0.1;
/// As if so many had been seen in each step to behave like the average.
const BELIEF: f64 = 0.5;

/// Sessions or connections of one backend, over time.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Who is away for longer has ended.
    timeout: u32,
    /// Ticks of a step.
    width: u32,
    begun: Tick,
    /// How many there were then.
    first: Option<u64>,
    /// The last count that was compared with the one before.
    compared: Count,
    /// The latest count.
    current: Count,
    /// Of those who had been away for so many steps: how many were looked at, each for a step's time.
    seen: Vec<f64>,
    /// How many of those were not away any longer.
    lost: Vec<f64>,
    /// All that had traffic since the last count.
    back: f64,
}

/// A crowd at one moment.
#[derive(Debug, Clone)]
pub struct Count {
    at: Tick,
    /// The moment to compare with, and its width of a step.
    before: Tick,
    timeout: u32,
    width: u32,
    /// By steps away.
    away: Vec<u64>,
    /// Those who were already away at `before`, by steps away then.
    stayed: Vec<u64>,
    /// Those who have been back since.
    back: u64,
    /// Who was back last, in ticks ago.
    youngest: u32,
}

/// Steps of `width` that ages from 0 to `timeout`, both included, fall into.
const fn steps(timeout: u32, width: u32) -> usize {
    (timeout / width) as usize + 1
}

impl Count {
    fn new(timeout: u32, width: u32, before: Tick, at: Tick) -> Self {
        let none = vec![0; steps(timeout, width)];
        Self { at, before, timeout, width, away: none.clone(), stayed: none, back: 0, youngest: timeout }
    }

    /// Counts one whose last traffic was at `seen`; one that has ended is not.
    pub fn add(&mut self, seen: Tick) {
        let age = self.at.since(seen);
        if age > self.timeout {
            return;
        }
        let step = |age: u32| (age / self.width) as usize;
        self.away[step(age)] += 1;
        self.youngest = self.youngest.min(age);
        // Of those seen in that very tick, some came after the count.
        if seen >= self.before {
            self.back += 1;
        } else {
            self.stayed[step(self.before.since(seen))] += 1;
        }
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.away.iter().sum()
    }
}

impl Watch {
    /// Of a crowd whose members end when they have been away for longer than `timeout`.
    #[must_use]
    pub fn new(timeout: u32, now: Tick) -> Self {
        // Ages from 0 to the timeout, both included.
        let width = (timeout + 1).div_ceil(STEPS);
        let none = Count::new(timeout, width, now, now);
        Self {
            timeout,
            width,
            begun: now,
            first: None,
            compared: none.clone(),
            current: none,
            seen: vec![0.0; steps(timeout, width)],
            lost: vec![0.0; steps(timeout, width)],
            back: 0.0,
        }
    }

    /// How often it should be counted, in ticks.
    #[must_use]
    pub const fn period(&self) -> u32 {
        self.width
    }

    /// Begins a count.
    #[must_use]
    pub fn count(&self, now: Tick) -> Count {
        Count::new(self.timeout, self.width, self.compared.at, now)
    }

    /// True if it has taken no count yet.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.first.is_none()
    }

    /// Takes a complete count. One that was begun before the last one was compared tells how many there are, no more.
    pub fn take(&mut self, count: Count) {
        if self.is_new() {
            self.first = Some(count.total());
            self.compared = count.clone();
        } else if count.before == self.compared.at && count.at.since(self.compared.at) >= self.width {
            self.compare(&count);
            self.compared = count.clone();
        }
        self.current = count;
    }

    fn compare(&mut self, count: &Count) {
        let ticks = count.at.since(self.compared.at);
        let steps = f64::from(ticks) / f64::from(self.width);
        for (step, (before, stayed)) in self.compared.away.iter().zip(&count.stayed).enumerate() {
            // Those who may have come to their timeout meanwhile tell nothing.
            if (step as u32 + 1) * self.width + ticks > self.timeout + 1 {
                break;
            }
            self.seen[step] += *before as f64 * steps;
            self.lost[step] += before.saturating_sub(*stayed) as f64;
        }
        self.back += count.back as f64;
    }

    /// How many there are.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.current.total()
    }

    /// When nobody will be left, as of the latest count.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        let (left, elapsed) = (self.left(), self.current.at.since(self.begun));
        if left == 0 {
            return Outlook::NOW;
        }
        let first = self.first.unwrap_or_default();
        let ended = first.saturating_sub(left) as f64;
        let is_enough = ended >= ENOUGH * first as f64 || elapsed > self.timeout;
        if elapsed < self.width || !is_enough {
            return Outlook::Unknown;
        }
        let crowd = self.current.away.iter().map(|count| *count as f64).collect();
        // Nobody ends before their time.
        let surely = f64::from(self.timeout - self.current.youngest + 1);
        match self.chain().follow(crowd) {
            Outlook::Empty { earliest, likely, latest } => {
                let ticks = |steps: f64| (steps * f64::from(self.width)).max(surely);
                Outlook::Empty { earliest: ticks(earliest), likely: ticks(likely), latest: ticks(latest) }
            }
            other => other,
        }
    }

    fn chain(&self) -> Chain {
        let (seen, lost) = (self.seen.iter().sum::<f64>(), self.lost.iter().sum::<f64>());
        // Where little was seen, as a step before.
        let mut usual = if seen == 0.0 { 0.0 } else { (lost / seen).min(1.0) };
        let part = |(seen, lost): (&f64, &f64)| {
            usual = ((lost + BELIEF * usual) / (seen + BELIEF)).min(1.0);
            usual
        };
        let mut parts: Vec<f64> = self.seen.iter().zip(&self.lost).map(part).collect();
        // The last step ends with the timeout.
        let whole = f64::from(self.timeout % self.width + 1) / f64::from(self.width);
        if let Some(part) = parts.last_mut() {
            *part = 1.0 - (1.0 - *part).powf(whole);
        }
        Chain { lost: parts, back: if lost == 0.0 { 0.0 } else { (self.back / lost).min(1.0) } }
    }
}
