//! `limpet sessions`.

use std::net::IpAddr;

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
    /// Show everything about one client: its sessions, their times, and where it goes next
    #[command(after_help = "Examples:\n  limpet sessions show --client 198.51.100.7")]
    Show(ShowArgs),
    /// Give stored sessions another home: open connections stay, the next ones go there
    ///
    /// The daemon does it beside everything else, and remembers what was where: `limpet sessions moves` says how far it
    /// is, `limpet sessions undo` takes it back.
    #[command(after_help = "Examples:\n  limpet sessions move --backend web-1 --to web-2 --percent 10\n  \
                            limpet sessions move --backend web-1 --to web-2 --rate 50\n  \
                            limpet sessions move --client 198.51.100.0/24 --to web-2 --dry-run")]
    Move(MoveArgs),
    /// List the moves that are remembered, and how far they are
    Moves(MovesArgs),
    /// Take a move back: sessions that are still there go where they were
    #[command(after_help = "Examples:\n  limpet sessions undo 3")]
    Undo(UndoArgs),
    /// Find clients that carry much of a service, and may be many people behind one address
    #[command(
        after_help = "Examples:\n  limpet sessions crowds\n  limpet sessions crowds --service web --share 1"
    )]
    Crowds(CrowdsArgs),
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

/// Options of `limpet sessions show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Address of the client
    #[arg(long, value_name = "ADDRESS")]
    pub client: IpAddr,
    /// Of this service only
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet sessions move`.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// Which sessions; by client or backend at least.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Where to: a backend of the same service, which is up
    #[arg(long, value_name = "BACKEND")]
    pub to: String,
    /// Only this part of them, always the same clients
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub percent: Option<u8>,
    /// So many a second [default: as fast as it goes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Only say how many it would be
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet sessions moves`.
#[derive(Debug, Args)]
pub struct MovesArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet sessions undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// Number of the move
    #[arg(value_name = "ID")]
    pub id: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet sessions crowds`.
#[derive(Debug, Args)]
pub struct CrowdsArgs {
    /// Of this service
    #[arg(long, value_name = "SERVICE")]
    pub service: Option<String>,
    /// With at least so many per cent of the service's connections
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0)]
    pub share: f64,
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
