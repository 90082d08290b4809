//! What histories came to.

use std::fmt;

use lb_common::state::{Audit, Cause};

/// Figures of histories.
#[derive(Clone, Default, Debug)]
pub struct Played {
    /// How many.
    pub histories: u64,
    /// Events.
    pub events: u64,
    /// Segments of clients.
    pub segments: u64,
    /// Promises, kept and broken.
    pub audit: Audit,
    /// Clients that came while slots lagged behind, and those of them that were dropped.
    pub late: [u64; 2],
}

impl Played {
    /// Those of both.
    pub fn add(&mut self, other: &Self) {
        let Self { histories, events, segments, audit, late: [came, lost] } = other;
        self.histories += histories;
        self.events += events;
        self.segments += segments;
        self.audited(audit);
        self.late[0] += came;
        self.late[1] += lost;
    }

    /// The promises of a service more.
    pub fn audited(&mut self, audit: &Audit) {
        self.audit.kept += audit.kept;
        for (sum, count) in self.audit.broken.iter_mut().zip(audit.broken) {
            *sum += count;
        }
    }

    /// Checks what can be said of many histories together only.
    ///
    /// # Panics
    /// If something never happened, or clients had to wait for slots.
    pub fn check(&self) {
        // Nobody is evicted whom one could recognise: there is room for all that are proven.
        for &cause in Cause::ALL.iter().filter(|&&cause| cause != Cause::Evicted) {
            assert!(self.audit.broken[cause as usize] > 0, "never happened: {}", cause.name());
        }
        let [came, lost] = self.late;
        assert!(lost * 20 <= came, "{lost} of {came} clients found nobody while slots lagged behind");
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, events, segments, audit, late: [came, lost] } = self;
        write!(
            f,
            "{histories} histories: {events} events, {segments} segments; {} promises kept",
            audit.kept
        )?;
        for &cause in Cause::ALL {
            write!(f, ", {} {}", audit.broken[cause as usize], cause.name())?;
        }
        write!(f, "; {lost} of {came} clients found nobody while slots lagged behind")
    }
}
