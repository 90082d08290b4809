//! What many services and backends add to a packet's cost.

use std::fmt;

use serde_json::{Value, json};

use crate::{plan::flat, report::Row};

/// Most that the cost may be, as a multiple of that with one of each.
const FLAT: f64 = 1.2;

/// One comparison.
pub(crate) struct Growth<'r> {
    many: &'r Row,
    factor: f64,
}

impl<'r> Growth<'r> {
    /// All for which both lines were measured.
    pub(crate) fn all(rows: &'r [Row]) -> Vec<Self> {
        let [few, others @ ..] = flat::SIZES;
        let row = |what, size| rows.iter().find(|row| row.what == flat::name(what, size));
        let compare = |what, size| {
            let (few, many) = (row(what, few)?, row(what, size)?);
            Some(Self { many, factor: many.ratio / few.ratio })
        };
        let all = [flat::KNOWN, flat::NEW].map(|what| others.map(|size| compare(what, size)));
        all.into_iter().flatten().flatten().collect()
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.factor <= FLAT
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "what": self.many.what, "times_one": self.factor, "most": FLAT })
    }
}

impl fmt::Display for Growth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_flat() { "ok" } else { "over" };
        write!(f, "{}: {:.2} x that with 1, at most {FLAT}: {verdict}", self.many.what, self.factor)
    }
}
