//! Options of `limpet decap`.

use std::{net::IpAddr, time::Duration};

use clap::{Args, value_parser};
use ipnet::IpNet;

use super::client::prefix;
use crate::{config::defaults, model::AttachMode};

/// UDP port of GUE tunnels, for both ends.
pub const GUE_PORT: u16 = defaults::GUE_PORT;

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

/// Not zero, which would be all the time.
fn period(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(period) if period >= Duration::from_millis(100) => Ok(period),
        Ok(_) => Err("100ms at least".to_owned()),
        Err(error) => Err(format!("{error}; give a number and a unit, such as 10s, 5m or 1h")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

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
}
