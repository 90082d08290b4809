//! From options and addresses to rules.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use lb_common::decap::{Role, Rule};
use tracing::{info, warn};

use crate::{cli::DecapArgs, neighbour::Address};

/// The host's addresses, as far as packets from outside may be for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    /// Of the interface.
    endpoints: BTreeSet<IpAddr>,
    /// Of all interfaces.
    local: BTreeSet<IpAddr>,
}

impl Addresses {
    pub(super) fn new(interface: &[Address], all: &[Address]) -> Self {
        let usable = |addresses: &[Address]| {
            let addresses = addresses.iter().map(|address| address.network.addr());
            addresses.filter(is_routable).collect()
        };
        Self { endpoints: usable(interface), local: usable(all) }
    }

    /// All rules: options where they are given, else addresses.
    pub(super) fn rules(&self, args: &DecapArgs) -> BTreeSet<Rule> {
        let prefix = |role| move |net: IpNet| Rule::prefix(role, net.addr(), net.prefix_len());
        let senders = args.from.iter().copied();
        let endpoints =
            if args.to.is_empty() { Vec::from_iter(&self.endpoints) } else { args.to.iter().collect() };
        let endpoints = endpoints.into_iter().map(|&address| IpNet::from(address));
        let inner = match &args.inner[..] {
            [] => self.local.iter().map(|&address| address.into()).collect(),
            given => given.to_vec(),
        };
        senders
            .map(prefix(Role::Sender))
            .chain(endpoints.map(prefix(Role::Endpoint)))
            .chain(inner.into_iter().map(prefix(Role::Inner)))
            .collect()
    }

    /// Logs what is new since `before`, and what can't work.
    pub(super) fn tell(&self, args: &DecapArgs, before: Option<&Self>) {
        let list = |addresses: &BTreeSet<IpAddr>| {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        if args.to.is_empty() && before.is_none_or(|before| before.endpoints != self.endpoints) {
            match self.endpoints.is_empty() {
                true => warn!("{} has no address now, so nothing can be sent to it", args.iface),
                false => info!("tunnels end at {}", list(&self.endpoints)),
            }
        }
        if args.inner.is_empty() && before.is_none_or(|before| before.local != self.local) {
            info!("packets inside may be for {}", list(&self.local));
        }
        for from in args.from.iter().filter(|from| before.is_none() && from.prefix_len() == 0) {
            warn!("--from {from} lets everybody send: packets inside may then claim to come from anywhere");
        }
    }
}

/// Neither loopback nor IPv6 link-local: nobody beyond the link can mean this host by these.
fn is_routable(address: &IpAddr) -> bool {
    let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    !address.is_loopback() && !is_link_local
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use lb_common::{
        decap::header::Family,
        net::{V4, V6},
    };

    use super::*;
    use crate::cli::{Cli, Command};

    fn addresses(texts: &[&str]) -> Vec<Address> {
        let address = |text: &&str| Address {
            network: text.parse().unwrap(),
            global: true,
            passing: false,
            claimed: false,
        };
        texts.iter().map(address).collect()
    }

    /// What these options accept on a host with these addresses.
    fn accepts(options: &str, role: Role, address: &str) -> bool {
        let line = format!("limpet decap --iface eth0 --from 10.0.0.0/24 --from 2001:db8:b::2 {options}");
        let Command::Decap(args) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else {
            panic!("another command");
        };
        let eth0 = ["10.0.1.5/24", "2001:db8:5::5/64", "fe80::5/64"];
        let all = [&eth0[..], &["127.0.0.1/8", "::1/128", "192.0.2.10/32", "2001:db8::10/128"]].concat();
        let rules = Addresses::new(&addresses(&eth0), &addresses(&all)).rules(&args);
        fn asked<A: Family>(role: Role, address: A) -> Rule {
            Rule::ask(role, address)
        }
        let asked = match address.parse().unwrap() {
            IpAddr::V4(v4) => asked(role, V4::from_bytes(v4.octets())),
            IpAddr::V6(v6) => asked(role, V6::from_bytes(v6.octets())),
        };
        rules.iter().any(|rule| rule.holds(&asked))
    }

    #[test]
    fn addresses_by_default() {
        for (role, address, expected) in [
            (Role::Sender, "10.0.0.77", true),
            (Role::Sender, "10.0.1.5", false),
            (Role::Sender, "2001:db8:b::2", true),
            (Role::Sender, "2001:db8:b::3", false),
            (Role::Endpoint, "10.0.1.5", true),
            (Role::Endpoint, "2001:db8:5::5", true),
            (Role::Endpoint, "fe80::5", false),
            (Role::Endpoint, "192.0.2.10", false),
            (Role::Inner, "192.0.2.10", true),
            (Role::Inner, "2001:db8::10", true),
            (Role::Inner, "10.0.1.5", true),
            (Role::Inner, "10.0.1.6", false),
            (Role::Inner, "127.0.0.1", false),
            (Role::Inner, "::1", false),
        ] {
            assert_eq!(accepts("", role, address), expected, "{role:?} {address}");
        }
    }

    #[test]
    fn options_take_the_place_of_addresses() {
        let options = "--to 192.0.2.10 --inner 192.0.2.64/26";
        for (role, address, expected) in [
            (Role::Endpoint, "192.0.2.10", true),
            (Role::Endpoint, "10.0.1.5", false),
            (Role::Inner, "192.0.2.65", true),
            (Role::Inner, "192.0.2.10", false),
        ] {
            assert_eq!(accepts(options, role, address), expected, "{role:?} {address}");
        }
    }
}
