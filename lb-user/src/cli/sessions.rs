//! `limpet sessions`.

use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::client::prefix;

/// Options of `limpet sessions`.
#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: SessionsCommand,
}

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List stored sessions, by service and client
    #[command(after_help = "Examples:\n  limpet sessions list --service web\n  \
                            limpet sessions list --client 198.51.100.0/24 --limit 1000\n  \
                            limpet sessions list --backend web-1 --json | jq -r '.sessions[].client'")]
    List(ListArgs),
    /// Forget stored sessions: their clients are chosen for anew
    ///
    /// Open connections go on, and as long as one has traffic it makes a new session where it is.
    #[command(after_help = "Examples:\n  limpet sessions drop --client 198.51.100.7")]
    Drop(DropArgs),
}

/// Which sessions.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Of this service
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// Of this client, or of all clients in a prefix
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub client: Option<IpNet>,
    /// On this backend
    #[arg(long, value_name = "BACKEND")]
    pub backend: Option<String>,
}

/// Options of `limpet sessions list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which sessions.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// At most so many, 1 to 1000000 [default: 100]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Go on where the last list ended: what it gave as `next`
    #[arg(long, value_name = "NEXT")]
    pub after: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet sessions drop`.
#[derive(Debug, Args)]
#[group(skip)]
pub struct DropArgs {
    /// Which sessions; one filter at least.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
