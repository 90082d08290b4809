//! The control plane: `config` (parse) -> `model` (validated) -> `plan` (the difference to what runs)
//! -> `dataplane` (the packet program's maps), and `http` (services that the daemon serves itself). `daemon` holds them
//! together; `api` and `metrics` only know what it can be asked. `runtime` and `snapshot` are what outlasts a reboot. `decap` is a small daemon of
//! its own, for backends.

pub mod access;
pub mod api;
pub mod cli;
mod clock;
pub mod commands;
pub mod config;
pub mod daemon;
pub mod dataplane;
pub mod decap;
pub mod demo;
pub mod forecast;
pub mod health;
pub mod http;
pub mod lab;
pub mod metrics;
pub mod model;
pub mod neighbour;
pub mod plan;
pub mod runtime;
pub mod secrets;
pub mod slots;
pub mod snapshot;
pub mod view;
