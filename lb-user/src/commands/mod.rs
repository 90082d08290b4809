//! What each subcommand does.

pub mod check;
pub mod demo;
