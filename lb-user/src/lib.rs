//! The control plane.
pub mod cli;
pub mod commands;
pub mod config;
pub mod dataplane;
pub mod health;
pub mod model;
pub mod neighbour;
pub mod plan;
pub mod slots;
