//! What was counted.

use std::collections::BTreeMap;

use lb_common::{decap::Reason, reason::Kind};
use serde::Serialize;

/// Packets by reason; each packet is counted once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Left alone.
    pub passes: BTreeMap<&'static str, u64>,
    /// Unwrapped.
    pub forwards: BTreeMap<&'static str, u64>,
    /// Dropped.
    pub drops: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// Sorted by kind.
    pub(super) fn new(counts: &[(Reason, u64)]) -> Self {
        let of = |kind| {
            let counts = counts.iter().filter(|(reason, _)| reason.kind() == kind);
            counts.map(|&(reason, count)| (reason.name(), count)).collect()
        };
        Self { passes: of(Kind::Pass), forwards: of(Kind::Forward), drops: of(Kind::Drop) }
    }
}
