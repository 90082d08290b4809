//! What each subcommand does.
mod ask;
pub mod backend;
pub mod check;
pub mod decap;
pub mod demo;
pub mod events;
pub mod explain;
mod log;
pub mod plan;
pub mod quic_id;
pub mod reload;
pub mod run;
pub mod sessions;
pub mod status;
