//! The control plane.
pub mod cli;
pub mod commands;
pub mod config;
pub mod dataplane;
pub mod demo;
pub mod health;
pub mod lab;
pub mod model;
pub mod slots;
