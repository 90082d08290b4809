//! Budgets of whole paths.

use std::fmt;

use limpet_tests::middle::Middle;

/// What is promised of a figure, and whether it is so.
#[derive(serde::Serialize)]
pub(crate) struct Budget {
    what: String,
    at_least: f64,
    is: Middle,
    verdict: &'static str,
}

impl Budget {
    pub(crate) fn new(what: String, at_least: f64, is: Middle) -> Self {
        Self { what, at_least, is, verdict: if is.median >= at_least { "ok" } else { "over" } }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, at_least, is, verdict } = self;
        write!(f, "{what:66} {is}, at least {at_least:4.1}: {verdict}")
    }
}
