//! What can be typed: the commands, their options and their help.

mod backend;
mod quic_id;
mod sessions;

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, value_parser};
use ipnet::IpNet;

use crate::model::AttachMode;

pub use backend::{BackendArgs, BackendCommand, ChangeArgs, DrainArgs, Target, WeightArgs};
pub use quic_id::{DecodeArgs, EncodeArgs, QuicIdAction, QuicIdArgs};
pub use sessions::{DropArgs, FilterArgs, ListArgs, SessionsArgs, SessionsCommand};

/// Where the daemon listens for commands unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/limpet/limpet.sock";
/// UDP port of GUE tunnels (IANA: `gue`).
pub const GUE_PORT: u16 = 6080;
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
                            limpet explain --service web --service-port 443 --client 198.51.100.7:40112")]
    Explain(ExplainArgs),
    /// List and forget stored sessions
    Sessions(SessionsArgs),
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
    /// Drain, disable, enable or weigh a backend
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
    /// Directory on a bpf file system where maps and links are pinned
    /// [default: named after the socket, below /sys/fs/bpf/limpet]
    #[arg(long, value_name = "DIR")]
    pub pins: Option<PathBuf>,
    /// Directory on disk for what must outlast a reboot: run-time changes of backends
    /// [default: named after the socket, below /var/lib/limpet]
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
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub client: Client,
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

/// Options of `limpet decap`.
#[derive(Debug, Args)]
pub struct DecapArgs {
    /// Interface that tunnelled packets come in by
    #[arg(long, value_name = "NAME")]
    pub iface: String,
    /// Who may send: an address, or a prefix such as 10.0.0.0/24; may be given several times
    #[arg(long, value_name = "PREFIX", required = true, value_parser = prefix)]
    pub from: Vec<IpNet>,
    /// Where tunnels end; may be given several times [default: the interface's addresses, as they are at the
    /// time]
    #[arg(long, value_name = "ADDR")]
    pub to: Vec<IpAddr>,
    /// What packets inside may be for; may be given several times [default: the host's addresses, those on `lo`
    /// included, as they are at the time]
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub inner: Vec<IpNet>,
    /// UDP port of GUE tunnels
    #[arg(long, value_name = "PORT", default_value_t = GUE_PORT, value_parser = value_parser!(u16).range(1..))]
    pub gue_port: u16,
    /// Which XDP hook to use
    #[arg(long, value_enum, default_value_t = AttachMode::Auto)]
    pub mode: AttachMode,
    /// Print what was counted so often, not only at the end; such as 10s or 1h
    #[arg(long, value_name = "TIME", value_parser = period)]
    pub every: Option<Duration>,
    /// Print it as JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// An address stands for the prefix that holds just this one.
fn prefix(text: &str) -> Result<IpNet, String> {
    let prefix = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => {
            text.parse().map_err(|_| "give an address such as 10.0.0.2, or a prefix such as 10.0.0.0/24")?
        }
    };
    if prefix.addr() != prefix.network() {
        let (whole, single) = (prefix.trunc(), prefix.addr());
        return Err(format!("the address has bits beyond the prefix; give {whole} or {single}"));
    }
    Ok(prefix)
}

/// Not zero, which would be all the time.
fn period(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(period) if period >= Duration::from_millis(100) => Ok(period),
        Ok(_) => Err("100ms at least".to_owned()),
        Err(error) => Err(format!("{error}; give a number and a unit, such as 10s, 5m or 1h")),
    }
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

/// A client, or one of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// The source port of the connection in question, never 0.
    pub port: Option<u16>,
}

impl FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self { address, port: None });
        }
        match text.parse::<SocketAddr>() {
            Ok(socket) if socket.port() != 0 => Ok(Self { address: socket.ip(), port: Some(socket.port()) }),
            Ok(_) => {
                Err("no connection comes from port 0; leave the port out to ask about the client".into())
            }
            Err(_) => Err("give 198.51.100.7, 198.51.100.7:40112, 2001:db8::7 or [2001:db8::7]:40112".into()),
        }
    }
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
    fn clients_with_and_without_ports() {
        for (text, address, port) in [
            ("198.51.100.7", "198.51.100.7", None),
            ("198.51.100.7:80", "198.51.100.7", Some(80)),
            ("2001:db8::7", "2001:db8::7", None),
            ("[2001:db8::7]", "2001:db8::7", None),
            ("[2001:db8::7]:80", "2001:db8::7", Some(80)),
        ] {
            assert_eq!(text.parse(), Ok(Client { address: address.parse().unwrap(), port }), "{text}");
        }
        for bad in ["", "web", "198.51.100.7:0", "198.51.100.7:65536", "198.51.100.256", "[::1"] {
            assert!(bad.parse::<Client>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_with_and_without_a_length() {
        for (text, expected) in
            [("10.0.0.2", "10.0.0.2/32"), ("10.0.0.0/24", "10.0.0.0/24"), ("2001:db8::1", "2001:db8::1/128")]
        {
            assert_eq!(prefix(text).map(|prefix| prefix.to_string()), Ok(expected.to_owned()), "{text}");
        }
        assert!(prefix("10.0.0.2/24").unwrap_err().ends_with("give 10.0.0.0/24 or 10.0.0.2"));
        for bad in ["", "lb-1", "10.0.0.0/33", "::/129", "10.0.0"] {
            assert!(prefix(bad).unwrap_err().starts_with("give an address"), "{bad}");
        }
    }

    #[test]
    fn decap_needs_to_know_who_may_send() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        let complaint = parse("limpet decap --iface eth0").unwrap_err().to_string();
        assert!(complaint.contains("--from"), "{complaint}");
        assert!(parse("limpet decap --iface eth0 --from ::/0 --every 0s").is_err());
        assert!(parse("limpet decap --iface eth0 --from ::/0 --gue-port 0").is_err());
        let Command::Decap(args) =
            parse("limpet decap --iface eth0 --from ::1 --from 10.0.0.0/8").unwrap().command
        else {
            panic!("another command");
        };
        assert_eq!((args.from.len(), args.gue_port, args.mode), (2, 6080, AttachMode::Auto));
    }

    #[test]
    fn pins_follow_the_socket_unless_given() {
        let mut args = RunArgs { config: "f".into(), detach_on_exit: false, pins: None, state: None };
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
