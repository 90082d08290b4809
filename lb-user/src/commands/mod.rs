//! What each subcommand does.
mod ask;
pub mod check;
pub mod demo;
pub mod explain;
pub mod quic_id;
pub mod reload;
pub mod run;
pub mod status;
