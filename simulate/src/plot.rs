//! A report as a picture.

use std::fmt::Write as _;

use crate::{
    report::{Outcome, Report},
    tally::{Broken, Tally},
};

/// A bar's height, and that of a scenario without its bars.
const BAR: usize = 11;
const GAP: usize = 16;
/// Where the bars of the two panels begin, and the length of the longest.
const PANELS: [usize; 2] = [150, 560];
const LENGTH: f64 = 330.0;
/// Above and below the bars.
const HEAD: usize = 74;
const FOOT: usize = 12;
const WIDTH: usize = 960;
/// In the order of the designs.
const COLOURS: [&str; 4] = ["#9aa0a6", "#e8a33d", "#2f7ed8", "#1b9e77"];

/// A panel: its title and its figures.
type Panel = (&'static str, fn(&Tally) -> Broken);

/// The picture: connections to the left, sessions to the right, a bar for each design.
pub fn svg(report: &Report) -> String {
    let designs = report.rows.first().map_or(0, |row| row.outcomes.len());
    let pitch = designs * BAR + GAP;
    let height = HEAD + report.rows.len() * pitch + FOOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#222\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for (at, Outcome { design, .. }) in
        report.rows.iter().flat_map(|row| &row.outcomes).take(designs).enumerate()
    {
        let x = PANELS[0] + at * 150;
        block(&mut svg, (x, 14), 12.0, COLOURS[at % COLOURS.len()]);
        text(&mut svg, (x + 18, 24), "start", design.name());
    }
    let panels: [Panel; 2] = [
        ("connections broken, %", |tally| tally.connections),
        ("sessions broken, %", |tally| tally.sessions),
    ];
    for (x, (title, figure)) in PANELS.into_iter().zip(panels) {
        text(&mut svg, (x, HEAD - 22), "start", title);
        let percent = |outcome: &Outcome| figure(&outcome.tally).percent();
        let most = report.rows.iter().flat_map(|row| &row.outcomes).map(percent).fold(0.01, f64::max);
        for (number, row) in report.rows.iter().enumerate() {
            let top = HEAD + number * pitch;
            if x == PANELS[0] {
                text(&mut svg, (x - 8, top + pitch / 2 - 4), "end", row.scenario);
            }
            for (at, outcome) in row.outcomes.iter().enumerate() {
                let length = LENGTH * percent(outcome) / most;
                let y = top + at * BAR;
                block(&mut svg, (x, y), length.max(0.5), COLOURS[at % COLOURS.len()]);
                let value = if figure(&outcome.tally).broken() == 0 {
                    "0".to_owned()
                } else {
                    format!("{:.2}", percent(outcome))
                };
                text(&mut svg, (x + length as usize + 4, y + BAR - 2), "start", &value);
            }
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn block(svg: &mut String, (x, y): (usize, usize), width: f64, colour: &str) {
    let height = BAR - 1;
    _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{colour}\"/>"
    );
}

fn text(svg: &mut String, (x, y): (usize, usize), anchor: &str, words: &str) {
    _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{words}</text>");
}
