//! What the picture shows.

use anyhow::{Context as _, Result};
use plotters::style::RGBColor;

use crate::{
    plan::{
        cold::{self, BURSTS},
        known,
        many::{self, SIZES},
    },
    saved::Saved,
};

const BLUE: RGBColor = RGBColor(0x2f, 0x7e, 0xd8);
const GREEN: RGBColor = RGBColor(0x1b, 0x9e, 0x77);
const GREY: RGBColor = RGBColor(0x80, 0x86, 0x8b);
const ORANGE: RGBColor = RGBColor(0xd9, 0x82, 0x1b);
const PURPLE: RGBColor = RGBColor(0x8e, 0x44, 0xad);
const RED: RGBColor = RGBColor(0xc0, 0x39, 0x2b);

/// One of the two diagrams.
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// What the places from left to right are.
    pub(super) axis: &'static str,
    pub(super) places: Vec<String>,
    pub(super) series: Vec<Series>,
}

/// A line from place to place.
pub(super) struct Series {
    pub(super) label: &'static str,
    pub(super) colour: RGBColor,
    pub(super) points: Vec<Point>,
}

/// Multiples of the empty program.
pub(super) struct Point {
    pub(super) median: f64,
    /// The middle half.
    pub(super) spread: (f64, f64),
}

/// Each with the lines of the table that its points are.
type Sketch = (&'static str, RGBColor, Vec<String>);

/// Both, or an error that names what was not measured.
pub(super) fn all(run: &Saved) -> Result<[Panel; 2]> {
    let places = || SIZES.iter().map(|(size, _)| (*size).to_owned());
    let turn = Panel {
        title: "Connections in turn",
        axis: "connections",
        places: ["1".to_owned()].into_iter().chain(places()).collect(),
        series: points(run, in_turn())?,
    };
    let burst = Panel {
        title: "A burst, each packet of another connection",
        axis: "packets in the burst",
        places: BURSTS.iter().map(u32::to_string).collect(),
        series: points(run, in_bursts())?,
    };
    Ok([turn, burst])
}

/// Those to the left.
pub(super) fn in_turn() -> Vec<Sketch> {
    let lines = |one: &str, what| {
        let many = SIZES.iter().map(|(size, _)| many::name(what, size));
        [one.to_owned()].into_iter().chain(many).collect()
    };
    vec![
        ("Limpet, known connections", BLUE, lines(known::DSR_V4, many::What::Known)),
        ("Limpet, not ours", ORANGE, lines(known::NOT_OURS_V4, many::What::Strangers)),
        ("floor: one line read", GREEN, lines(known::READ, many::What::Read)),
        ("floor: one line written", PURPLE, lines(known::WRITTEN, many::What::Written)),
    ]
}

/// Those to the right.
pub(super) fn in_bursts() -> Vec<Sketch> {
    let lines = |what| BURSTS.iter().map(|&packets| cold::name(what, packets)).collect();
    vec![
        ("Limpet, cold caches", BLUE, lines(cold::What::Cold)),
        ("floor, cold: one line read", GREEN, lines(cold::What::Read)),
        ("floor, cold: empty program", GREY, lines(cold::What::Empty)),
        ("Limpet, warm caches", RED, lines(cold::What::Warm)),
    ]
}

fn points(run: &Saved, sketches: Vec<Sketch>) -> Result<Vec<Series>> {
    let point = |what: &String| {
        let row = run
            .row(what)
            .with_context(|| format!("the picture needs {:?}, which was not measured", what.trim()))?;
        Ok(Point { median: row.ratio, spread: row.ratio_quartiles })
    };
    let series = |(label, colour, lines): Sketch| {
        Ok(Series { label, colour, points: lines.iter().map(point).collect::<Result<_>>()? })
    };
    sketches.into_iter().map(series).collect()
}
