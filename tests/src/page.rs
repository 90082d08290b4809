//! Pages of `docs/`, as far as tests compare them with what they run.

/// The rows, cell by cell, of those of a page's tables whose header begins with this cell.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn tables<'a>(page: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let mut inside = false;
    let mut rows = Vec::new();
    for line in page.lines() {
        let Some(line) = line.strip_prefix('|') else {
            inside = false;
            continue;
        };
        let cells: Vec<_> = line.trim_end_matches('|').split('|').map(str::trim).collect();
        if cells[0] == first {
            inside = true;
        } else if inside && !cells[0].starts_with("---") {
            rows.push(cells);
        }
    }
    assert!(!rows.is_empty(), "no table has a column {first:?}");
    rows
}
