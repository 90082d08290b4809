//! What one run of a line gave.

/// One run's result.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// The empty program, a moment before.
    pub(crate) empty: f64,
    /// What was measured, without the feeder.
    pub(crate) ns: f64,
}

impl Sample {
    pub(crate) fn ratio(&self) -> f64 {
        self.ns / self.empty
    }
}
