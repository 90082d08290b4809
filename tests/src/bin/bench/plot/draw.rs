//! A diagram, drawn.

use anyhow::Result;
use plotters::{
    backend::SVGBackend,
    chart::{ChartBuilder, SeriesLabelPosition},
    coord::{Shift, combinators::IntoLogRange as _},
    drawing::DrawingArea,
    element::{Circle, ErrorBar, PathElement},
    series::LineSeries,
    style::{BLACK, Color as _, WHITE},
};

use super::panel::{Panel, Point, Series};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Both axes show the same multiples, so that the eye may go from one to the other.
const COST: std::ops::Range<f64> = 0.8..1000.0;
const FONT: (&str, u32) = ("sans-serif", 13);
const TITLE: (&str, u32) = ("sans-serif", 16);

/// Draws `panel` into `area`.
pub(super) fn panel(area: &Area<'_>, panel: &Panel, empty_ns: f64) -> Result<()> {
    let last = panel.places.len() as f64 - 1.0;
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, TITLE)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(-0.3..last + 0.3, COST.log_scale())?;
    let place = |at: &f64| panel.places.get(at.round() as usize).cloned().unwrap_or_default();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(BLACK.mix(0.06))
        .x_labels(panel.places.len())
        .x_label_formatter(&place)
        .x_desc(panel.axis)
        .y_label_formatter(&|cost| format!("{cost}"))
        .y_desc(format!("cost of a packet, x the empty program ({empty_ns:.1} ns)"))
        .label_style(FONT)
        .draw()?;
    for Series { label, colour, points } in &panel.series {
        let at = || points.iter().enumerate().map(|(place, point)| (place as f64, point));
        let line = LineSeries::new(at().map(|(x, point)| (x, point.median)), colour.stroke_width(2));
        let colour = *colour;
        chart
            .draw_series(line)?
            .label(*label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(at().map(|(x, point)| Circle::new((x, point.median), 3, colour.filled())))?;
        let bar = |(x, &Point { median, spread: (low, high) }): (f64, &Point)| {
            ErrorBar::new_vertical(x, low, median, high, colour.stroke_width(1), 6)
        };
        chart.draw_series(at().map(bar))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.filled())
        .border_style(BLACK.mix(0.2))
        .label_font(FONT)
        .draw()?;
    Ok(())
}
