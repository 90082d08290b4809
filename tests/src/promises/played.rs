//! What histories came to.

use std::fmt;

use lb_common::state::{Audit, Cause};

/// Figures of histories.
#[derive(Clone, Default, Debug)]
pub struct Played {
    /// Events.
    pub events: u64,
    /// Segments of clients.
    pub segments: u64,
    /// Promises, kept and broken.
    pub audit: Audit,
}

impl Played {
    /// Those of both.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.segments += other.segments;
        self.audited(&other.audit);
    }

    /// The promises of a service more.
    pub fn audited(&mut self, audit: &Audit) {
        self.audit.kept += audit.kept;
        for (sum, count) in self.audit.broken.iter_mut().zip(audit.broken) {
            *sum += count;
        }
    }

    /// Whatever did not happen once.
    pub fn missed(&self) -> Vec<&'static str> {
        // Nobody is evicted whom one could recognise: there is room for all that are proven.
        let causes = Cause::ALL.iter().filter(|&&cause| cause != Cause::Evicted);
        causes.filter(|&&cause| self.audit.broken[cause as usize] == 0).map(|cause| cause.name()).collect()
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, segments, audit } = self;
        write!(f, "{events} events, {segments} segments; {} promises kept", audit.kept)?;
        Cause::ALL
            .iter()
            .try_for_each(|&cause| write!(f, ", {} {}", audit.broken[cause as usize], cause.name()))
    }
}
