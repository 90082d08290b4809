//! `limpet events`.

use clap::Args;

/// Options of `limpet events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Go on printing what happens, until Ctrl-C
    #[arg(long)]
    pub follow: bool,
    /// Of this service
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// Print JSON, an event a line
    #[arg(long)]
    pub json: bool,
}
