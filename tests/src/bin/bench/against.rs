//! A run beside one that was saved.

use crate::{report::Row, saved::Saved};

/// How far apart two runs of the same program may be: up to 10 % was seen, for new connections.
const APART: f64 = 1.1;

/// How a line stands to the saved one; it is said to differ where the middle halves of both have nothing in common,
/// and the medians are further apart than in two runs of the same program.
pub(crate) fn compare(saved: &Saved, row: &Row) -> String {
    let Some(saved) = saved.row(&row.what) else {
        return "not in the saved run".to_owned();
    };
    let (low, high) = saved.ratio_quartiles;
    let verdict = match row.spread {
        (now, _) if now > high && row.ratio > saved.ratio * APART => "slower",
        (_, now) if now < low && row.ratio * APART < saved.ratio => "faster",
        _ => "the same",
    };
    format!(
        "{:7.2} -> {:7.2}  {:+5.1} %  {verdict}",
        saved.ratio,
        row.ratio,
        (row.ratio / saved.ratio - 1.0) * 100.0
    )
}
