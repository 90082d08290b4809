//! `limpet backend`.

use std::{net::IpAddr, str::FromStr, time::Duration};

use clap::{Args, Subcommand};

/// Options of `limpet backend`.
#[derive(Debug, Args)]
pub struct BackendArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: BackendCommand,
}

/// What to do to a backend.
#[derive(Debug, Subcommand)]
pub enum BackendCommand {
    /// Give it no new clients; those that it has stay
    ///
    /// Open connections and live sessions stay on it, new clients go to the others.
    #[command(after_help = "Examples:\n  limpet backend drain web/web-1\n  \
                            limpet backend drain web/web-1 --deadline 2h --wait")]
    Drain(DrainArgs),
    /// Give it nothing: its clients move to other backends
    Disable(ChangeArgs),
    /// Give it again what its health permits, after `drain` or `disable`
    Enable(ChangeArgs),
    /// Give it another share of new clients; nobody who is there moves
    #[command(after_help = "Examples:\n  limpet backend weight web/web-1 50")]
    Weight(WeightArgs),
    /// Add a backend that the configuration file does not have
    ///
    /// By the rules of the file. Nobody who has a session moves; the backend gets its share of new clients. Written into the
    /// file as well, it is the file's.
    #[command(after_help = "Examples:\n  limpet backend add web/web-4 --address 10.0.0.14 --port 8080\n  \
                            limpet backend add web/web-4 --address 10.0.0.14 --weight 10")]
    Add(AddArgs),
    /// Take a backend out: its clients move to others, nobody else does
    ///
    /// Drain it first. One that the file has comes back with `reset`.
    Remove(ChangeArgs),
    /// Back to what the configuration file says: one that was added goes, one that was removed comes back
    Reset(ChangeArgs),
}

/// Options of `limpet backend drain`.
#[derive(Debug, Args)]
pub struct DrainArgs {
    /// Which backend.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Disable it after this time, whoever is still there; such as 30m or 2h [default: the service's drain_deadline]
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    pub deadline: Option<Duration>,
    /// Wait until nobody is left on it, or the deadline, and say how it goes; exits with 3 if somebody was left
    #[arg(long, conflicts_with = "json")]
    pub wait: bool,
}

/// A second at least: at once is another command.
fn deadline(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time >= Duration::from_secs(1) => Ok(time),
        Ok(_) => Err("1s at least; `limpet backend disable` gives it nothing at once".to_owned()),
        Err(error) => Err(format!("{error}; give a number and a unit, such as 30m or 2h")),
    }
}

/// Options of `limpet backend weight`.
#[derive(Debug, Args)]
pub struct WeightArgs {
    /// Which backend.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// The weight, 1 to 65535
    #[arg(value_name = "WEIGHT", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub weight: u32,
}

/// Options of `limpet backend add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Which backend.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// The server's address
    #[arg(long, value_name = "ADDRESS")]
    pub address: IpAddr,
    /// The server's port [default: the service's, if it has one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Its share of new clients, 1 to 65535 [default: 100]
    #[arg(long, value_name = "WEIGHT", value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub weight: Option<u32>,
}

/// Which backend, and how the answer is printed.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    /// Service and backend
    #[arg(value_name = "SERVICE/BACKEND")]
    pub target: Target,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A backend of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The service's name.
    pub service: String,
    /// The backend's name.
    pub backend: String,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((service, backend)) if !service.is_empty() && !backend.is_empty() => {
                Ok(Self { service: service.to_owned(), backend: backend.to_owned() })
            }
            _ => Err("give a service and a backend, such as web/web-1"),
        }
    }
}
