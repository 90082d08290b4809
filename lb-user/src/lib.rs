//! The control plane.
pub mod cli;
pub mod commands;
pub mod config;
pub mod model;
