//! What makes no difference to a packet's cost: many services, many backends, a flood.

use limpet_tests::budget::Budget;

use crate::{
    plan::{flat, flood},
    report::Row,
};

/// Most that the cost may be, as a multiple of that without.
const FLAT: f64 = 1.2;

/// All comparisons for which both lines were measured.
pub(crate) fn all(rows: &[Row]) -> Vec<Budget> {
    let [few, others @ ..] = flat::SIZES;
    let sizes = [flat::KNOWN, flat::NEW]
        .into_iter()
        .flat_map(|what| others.map(|size| (flat::name(what, size), flat::name(what, few), "with 1")));
    let flood = (flood::name(true), flood::name(false), "without");
    sizes.chain([flood]).filter_map(|pair| compare(rows, pair)).collect()
}

fn compare(rows: &[Row], (with, without, words): (String, String, &str)) -> Option<Budget> {
    let ratio = |what: &str| rows.iter().find(|row| row.what == what).map(|row| row.ratio);
    let factor = ratio(&with)? / ratio(&without)?;
    Some(Budget::at_most(format!("{with}, beside that {words}"), factor, FLAT, "x"))
}
