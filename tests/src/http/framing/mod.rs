//! What HTTP forbids, and what it allows though few expect it: messages byte for byte, each with its answer, what a
//! backend may have seen of it, and whether the connection goes on.
//!
//! Rows are those of docs/http-framing.md.

pub mod check;
pub mod client;
pub mod frames;
pub mod limits;
pub mod mutate;
pub mod page;
pub mod received;
pub mod recorder;
pub mod replies;
pub mod row;
pub mod rows;

pub use self::{
    client::Raw,
    recorder::{Recorder, Script},
    row::{After, Row, Seen},
};
