//! A run as a picture.

mod draw;
mod panel;
#[cfg(test)]
mod tests;

use anyhow::{Context as _, Result};
use plotters::{backend::SVGBackend, drawing::IntoDrawingArea as _, style::WHITE};

use crate::saved::Saved;

/// Pixels, where nobody makes it larger.
const SIZE: (u32, u32) = (1040, 460);

/// The picture, as SVG: bursts to the right of connections in turn.
pub(crate) fn svg(run: &Saved) -> Result<String> {
    let panels = panel::all(run)?;
    let empty_ns = run.empty_ns.context("no line was measured")?;
    let mut svg = String::new();
    let whole = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    // Not transparent: pages may be dark, lines and letters are.
    whole.fill(&WHITE)?;
    for (area, panel) in whole.split_evenly((1, panels.len())).iter().zip(&panels) {
        draw::panel(area, panel, empty_ns)?;
    }
    whole.present()?;
    drop(whole);
    Ok(svg)
}
