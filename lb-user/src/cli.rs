//! What can be typed: the commands, their options and their help.

mod backend;
mod client;
mod decap;
mod events;
mod quic_id;
mod sessions;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

pub use backend::{AddArgs, BackendArgs, BackendCommand, ChangeArgs, DrainArgs, Target, WeightArgs};
pub use client::Client;
pub use decap::{DecapArgs, GUE_PORT};
pub use events::EventsArgs;
pub use quic_id::{DecodeArgs, EncodeArgs, QuicIdAction, QuicIdArgs};
pub use sessions::{
    CrowdsArgs, DropArgs, FilterArgs, ListArgs, MoveArgs, MovesArgs, SessionsArgs, SessionsCommand, ShowArgs,
    UndoArgs,
};

/// Where the daemon listens for commands unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/limpet/limpet.sock";
/// Where maps and links are pinned: one directory for each daemon below this one.
const PINS_ROOT: &str = "/sys/fs/bpf/limpet";
/// Where the state of daemons is: one directory for each below this one.
const STATE_ROOT: &str = "/var/lib/limpet";

/// An XDP load balancer that keeps every client on its backend.
#[derive(Debug, Parser)]
#[command(name = "limpet", version)]
pub struct Cli {
    /// Control socket of the daemon
    ///
    /// `run` makes it, the other commands talk to it. Several daemons live side by side on one host if each
    /// has its own socket.
    #[arg(long, global = true, env = "LIMPET_SOCKET", value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground
    ///
    /// Attaches the packet program, fills its tables from the configuration and keeps them up to date. Started
    /// again after a crash or an upgrade, it adopts what runs: no connection is lost. SIGHUP or `limpet
    /// reload` applies a changed file. After SIGTERM or Ctrl-C the packet program goes on without the daemon,
    /// unless --detach-on-exit is given.
    #[command(after_help = "Examples:\n  limpet run --config /etc/limpet.toml")]
    Run(RunArgs),
    /// Validate a configuration file
    ///
    /// Prints every error of the file with its line and column and what to do about it. Needs no rights and no
    /// daemon, and changes nothing. Exits with 0 if the file is good, else with 1.
    #[command(after_help = "Examples:\n  limpet check --config /etc/limpet.toml\n  \
                            limpet check --config new.toml --json | jq .errors")]
    Check(CheckArgs),
    /// Show services, backends, health, sessions and counters
    #[command(after_help = "Examples:\n  limpet status\n  limpet status --json | jq .drops")]
    Status(StatusArgs),
    /// Say which backend a client gets, and why
    ///
    /// Asks the tables that the packet program uses: whether an open connection, a live session or the hash
    /// decides, how long the session still lives, and what the hash alone would say. Changes nothing.
    #[command(after_help = "Examples:\n  limpet explain --service web --client 198.51.100.7\n  \
                            limpet explain --service web --client 198.51.100.7:40112\n  \
                            limpet explain --service web --client [2001:db8::7]:40112\n  \
                            limpet explain --service web --service-port 443 --client 198.51.100.7:40112\n  \
                            limpet explain --service shop --cookie AQFvZ...\n  \
                            limpet explain --service api --header alice\n  \
                            limpet explain --service shop --path '/cart?sid=77'")]
    Explain(ExplainArgs),
    /// List, show, move and forget stored sessions
    Sessions(SessionsArgs),
    /// Print broken promises: which clients changed their backend or were refused, and why
    ///
    /// Those of late, at most 1,000, and with --follow what comes. They are a sample where there are many at once; all are
    /// counted in `limpet status`. Times are in UTC.
    #[command(after_help = "Examples:\n  limpet events --follow\n  \
                            limpet events --service web --json | jq -r 'select(.cause == \"down\") | .client'")]
    Events(EventsArgs),
    /// Say what a configuration file would change, and whom it would move
    ///
    /// Compares the file with what the daemon runs, looks at every live session, and says which clients would get another
    /// backend, why, and how many sessions each backend would have. Changes nothing. Exits with 1 if the daemon would
    /// refuse the file, and with 3 if more sessions would move than --max-moved allows.
    #[command(after_help = "Examples:\n  limpet plan --config new.toml\n  \
                            limpet plan --config new.toml --max-moved 100 && mv new.toml /etc/limpet.toml")]
    Plan(PlanArgs),
    /// Apply the daemon's changed configuration file
    ///
    /// The daemon reads again the file it was started with. If the file has errors they are printed and what
    /// runs goes on unchanged.
    #[command(after_help = "Examples:\n  limpet reload")]
    Reload(ReloadArgs),
    /// Drain, disable, enable, weigh, add or remove a backend
    ///
    /// At run time, beside the configuration file: it stays so over reloads and restarts, `limpet status` shows it, and
    /// `limpet backend reset` goes back to the file.
    Backend(BackendArgs),
    /// Unwrap tunnelled packets, on a backend
    ///
    /// For services with `forwarding = "ipip"` or `"gue"`: an XDP program takes off what the balancer wrapped its
    /// packets in, so that a backend needs no tunnel device. It unwraps packets of the named senders to addresses
    /// of the interface, if the packet inside is for this host; other tunnel packets to these addresses are
    /// dropped, and everything else passes. Runs in the foreground and detaches at SIGTERM or Ctrl-C; then it
    /// prints what it counted.
    #[command(
        after_help = "Examples:\n  limpet decap --iface eth0 --from 10.0.0.2 --from 2001:db8:b::/64\n  \
                            limpet decap --iface eth0 --from 10.0.0.2 --inner 192.0.2.10 --every 1m\n  \
                            limpet decap --iface eth0 --from 10.0.0.2 --json | jq .drops"
    )]
    Decap(DecapArgs),
    /// Make and read QUIC connection IDs
    ///
    /// As the servers of a service with `by = "quic-cid"` must make them, and as the packet program reads them.
    /// Needs no rights and no daemon. A key on the command line is seen by every user of the host: better name
    /// the configuration file, or set LIMPET_QUIC_KEY.
    QuicId(QuicIdArgs),
    /// Show it all in a network of namespaces
    ///
    /// Builds clients, a balancer and backends on this host without touching its own interfaces, and sends real
    /// traffic: clients stay on their backends, one backend dies, only its clients move, it comes back. Then it
    /// stays up to be played with until Ctrl-C, and removes everything. Needs root.
    #[command(after_help = "Examples:\n  limpet demo\n  limpet demo --once")]
    Demo(DemoArgs),
}

/// Options of `limpet run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Detach the packet program at SIGTERM or Ctrl-C
    #[arg(long)]
    pub detach_on_exit: bool,
    /// Take the place of the daemon that has this control socket, if there is one
    ///
    /// For upgrades: the other daemon serves HTTP until this one does, and ends once the requests and upgraded
    /// connections that it has are done.
    #[arg(long)]
    pub take_over: bool,
    /// Directory on a bpf file system where maps and links are pinned
    /// [default: named after the socket, below /sys/fs/bpf/limpet]
    #[arg(long, value_name = "DIR")]
    pub pins: Option<PathBuf>,
    /// Directory on disk for what must outlast a reboot: run-time changes of backends, moves of sessions, snapshots
    /// of sessions, keys of cookies [default: named after the socket, below /var/lib/limpet]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl RunArgs {
    /// Where maps and links are pinned for the daemon with this control socket.
    #[must_use]
    pub fn pins_dir(&self, socket: &Path) -> PathBuf {
        self.pins.clone().unwrap_or_else(|| Path::new(PINS_ROOT).join(instance(socket)))
    }

    /// Where the daemon with this control socket keeps what must outlast a reboot.
    #[must_use]
    pub fn state_dir(&self, socket: &Path) -> PathBuf {
        self.state.clone().unwrap_or_else(|| Path::new(STATE_ROOT).join(instance(socket)))
    }
}

/// A name of the socket's whole path, so that two daemons on one host never share anything:
/// `/run/limpet/limpet.sock` -> `run-limpet-limpet_sock`.
fn instance(socket: &Path) -> String {
    let socket = std::path::absolute(socket).unwrap_or_else(|_| socket.to_owned());
    let name = socket.to_string_lossy();
    let safe = |letter: char| match letter {
        '/' => '-',
        // A bpf file system refuses dots in names.
        letter if letter.is_ascii_alphanumeric() || letter == '-' => letter,
        _ => '_',
    };
    name.trim_start_matches('/').chars().map(safe).collect()
}

/// Options of `limpet check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Name of the service
    #[arg(long, value_name = "SERVICE")]
    pub service: String,
    /// Address of the client, with a port to ask about one connection; IPv6 with a port in brackets
    #[arg(long, value_name = "ADDR[:PORT]", required_unless_present_any = ["cookie", "header", "path"])]
    pub client: Option<Client>,
    /// Of a service of HTTP: the value of the client's cookie, Limpet's own or the application's
    #[arg(long, value_name = "VALUE")]
    pub cookie: Option<String>,
    /// Of a service of HTTP: the value of the header field that it knows its clients by
    #[arg(long, value_name = "VALUE")]
    pub header: Option<String>,
    /// Of a service of HTTP: the request's path and query
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Which of the service's ports the client calls [default: the first]
    #[arg(long, value_name = "PORT")]
    pub service_port: Option<u16>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Configuration file, which the daemon reads
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Exit with 3 if more live sessions would move
    #[arg(long, value_name = "N")]
    pub max_moved: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet reload`.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `limpet demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Show one round, remove everything, and exit with 1 if anything was not as promised
    #[arg(long)]
    pub once: bool,
    /// Be a server that answers NAME on PORTS until standard input ends: what runs on the demo's backends
    #[arg(long, hide = true, value_name = "NAME", requires = "ports", conflicts_with = "once")]
    pub serve: Option<String>,
    /// See `serve`
    #[arg(hide = true, requires = "serve")]
    pub ports: Vec<u16>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pins_follow_the_socket_unless_given() {
        let mut args =
            RunArgs { config: "f".into(), detach_on_exit: false, take_over: false, pins: None, state: None };
        let of = |args: &RunArgs, socket| args.pins_dir(Path::new(socket)).display().to_string();
        assert_eq!(of(&args, DEFAULT_SOCKET), "/sys/fs/bpf/limpet/run-limpet-limpet_sock");
        assert_ne!(of(&args, "/run/a/limpet.sock"), of(&args, "/run/b/limpet.sock"));
        assert_eq!(
            args.state_dir(Path::new(DEFAULT_SOCKET)),
            Path::new("/var/lib/limpet/run-limpet-limpet_sock")
        );
        args.pins = Some("/sys/fs/bpf/mine".into());
        assert_eq!(of(&args, DEFAULT_SOCKET), "/sys/fs/bpf/mine");
    }

    #[test]
    fn the_socket_is_a_flag_of_every_command() {
        for line in ["limpet --socket /s status", "limpet status --socket /s"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.socket, Path::new("/s"));
        }
    }
}
