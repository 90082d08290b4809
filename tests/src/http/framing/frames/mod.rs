//! HTTP/2 frame by frame.

pub mod check;
mod connection;
mod messages;
mod row;
mod streams;
mod wire;

pub use self::{
    row::{Code, Fate, Frames, PLAIN, head, last, request, with},
    wire::{Frame, Kind, PREFACE, block, frame},
};

/// All cases.
#[must_use]
pub fn all() -> Vec<Frames> {
    [connection::rows(), streams::rows(), messages::rows()].concat()
}
