//! What people read: tables and sentences for a terminal of 100 columns, written to anything that takes text.

mod backend;
mod crowds;
mod decap;
mod events;
mod explain;
mod fates;
mod moves;
mod plan;
mod reload;
mod sessions;
mod status;
mod words;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableStyle};

pub use self::{
    backend::{drained, draining, render as backend},
    crowds::render as crowds,
    decap::render as decap,
    events::render as event,
    explain::render as explain,
    moves::{moves, moving, shown, undone},
    plan::render as plan,
    reload::{refusal, render as reload},
    sessions::{dropped, render as sessions},
    status::render as status,
};

/// Columns of a terminal that everything fits into; longer cells are wrapped.
const WIDTH: u16 = 100;

/// An empty table without lines, indented by one column.
fn table() -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table
}

/// A cell with a figure.
fn figure(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}
