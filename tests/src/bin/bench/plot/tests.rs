use plotters::style::RGBColor;
use roxmltree::{Document, Node};
use serde_json::{Value, json};

use super::{
    panel::{in_bursts, in_turn},
    svg,
};
use crate::saved::Saved;

/// What must be there, to the left and to the right.
const LABELS: [[&str; 4]; 2] = [
    ["Limpet, known connections", "Limpet, not ours", "floor: one line read", "floor: one line written"],
    [
        "Limpet, cold caches",
        "floor, cold: one line read",
        "floor, cold: empty program",
        "Limpet, warm caches",
    ],
];

/// A run of all that is drawn, each line a little more expensive than the one before.
fn run() -> Value {
    let lines = in_turn().into_iter().chain(in_bursts()).flat_map(|(_, _, lines)| lines);
    let row = |(at, what): (usize, String)| {
        let ratio = 2.0 + at as f64;
        json!({ "what": what, "ratio": ratio, "ratio_quartiles": [ratio - 0.5, ratio + 0.5] })
    };
    let rows: Vec<_> = lines.enumerate().map(row).collect();
    json!({ "version": 2, "empty_ns": 6.6, "rows": rows })
}

fn picture(run: Value) -> anyhow::Result<String> {
    svg(&Saved::of(run)?)
}

/// How many points the longest line of this colour has, among the shapes of one half of the picture.
fn longest(document: &Document<'_>, RGBColor(r, g, b): RGBColor, half: impl Fn(f64) -> bool) -> usize {
    let colour = format!("#{r:02X}{g:02X}{b:02X}");
    let points = |node: Node<'_, '_>| {
        let points = node.attribute("points").unwrap_or_default();
        let mut xs =
            points.split_whitespace().map(|point| point.split(',').next().unwrap_or_default().parse());
        xs.all(|x: Result<f64, _>| x.is_ok_and(&half)).then(|| points.split_whitespace().count())
    };
    let of_colour = document.descendants().filter(|node| node.attribute("stroke") == Some(&colour));
    of_colour
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "polyline")))
        .filter_map(points)
        .max()
        .unwrap_or(0)
}

#[test]
fn it_is_well_formed_and_has_every_series_with_all_its_points_and_its_label() {
    let svg = picture(run()).expect("all that it needs was measured");
    let document = Document::parse(&svg).expect("well-formed");
    let texts: Vec<_> = document.descendants().filter_map(|node| node.text()).map(str::trim).collect();
    let middle = f64::from(super::SIZE.0) / 2.0;
    for (labels, (half, sketches)) in LABELS.into_iter().zip([(0.0, in_turn()), (middle, in_bursts())]) {
        assert_eq!(sketches.iter().map(|(label, ..)| *label).collect::<Vec<_>>(), labels);
        for (label, colour, lines) in sketches {
            assert!(texts.contains(&label), "no label {label:?} in {texts:?}");
            let there = longest(&document, colour, |x| (half..half + middle).contains(&x));
            assert_eq!(there, lines.len(), "points of {label:?}");
        }
    }
    for text in ["1", "4M", "512", "connections", "packets in the burst"] {
        assert!(texts.contains(&text), "no {text:?} at the axes, but {texts:?}");
    }
}

#[test]
fn what_was_not_measured_is_named() {
    let mut run = run();
    let rows = run["rows"].as_array_mut().expect("made above");
    rows.retain(|row| row["what"] != "  64, cold: one line read");
    let error = picture(run).expect_err("a point is missing").to_string();
    assert!(error.contains("64, cold: one line read"), "{error}");
}
