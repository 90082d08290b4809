//! What each subcommand does.

pub mod check;
