//! The control API, the commands that use it and the metrics page, over real sockets; behind them a daemon that
//! always gives the same answers.

mod api;
mod calls;
mod commands;
mod exposition;
mod fixture;
mod metrics;
mod socket;
mod view;
