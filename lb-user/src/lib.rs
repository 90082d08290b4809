//! The control plane.
pub mod api;
pub mod cli;
pub mod commands;
pub mod config;
pub mod metrics;
pub mod model;
pub mod view;
