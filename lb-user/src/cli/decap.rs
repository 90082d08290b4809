//! Options of `limpet decap`.

use std::{net::IpAddr, time::Duration};

use clap::{Args, value_parser};
use ipnet::IpNet;

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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

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
}
