//! The control plane.
pub mod cli;
pub mod commands;
pub mod config;
pub mod health;
pub mod model;
pub mod slots;
