//! Which ports a service has, and rules for them.

use std::{collections::HashMap, fmt, net::IpAddr};

use super::Protocol;
use crate::config::{
    raw,
    report::{At, Place, Report},
};

/// The ports of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// One, never 0.
    One(u16),
    /// At least two, none of them 0, no two alike, in the order of the file.
    List(Vec<u16>),
    /// Every port of the address that no other service of the protocol has.
    Any,
}

impl Ports {
    /// The ports, by which the maps know them: 0 stands for every one. Never empty.
    #[must_use]
    pub fn numbers(&self) -> &[u16] {
        match self {
            Self::One(port) => std::slice::from_ref(port),
            Self::List(ports) => ports,
            Self::Any => &[0],
        }
    }

    /// With an address, as people write it.
    #[must_use]
    pub fn at(&self, address: IpAddr) -> String {
        match address {
            IpAddr::V4(v4) => format!("{v4}:{self}"),
            IpAddr::V6(v6) => format!("[{v6}]:{self}"),
        }
    }

    /// The first; `None` where all are alike.
    #[must_use]
    pub fn first(&self) -> Option<u16> {
        self.numbers().first().copied().filter(|&port| port != 0)
    }
}

/// None or 0 is every port.
impl From<Vec<u16>> for Ports {
    fn from(ports: Vec<u16>) -> Self {
        match ports[..] {
            [] | [0] => Self::Any,
            [port] => Self::One(port),
            _ => Self::List(ports),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            ports => {
                let words: Vec<_> = ports.numbers().iter().map(u16::to_string).collect();
                f.write_str(&words.join(","))
            }
        }
    }
}

pub(super) fn ports(raw: &raw::Service, report: &Report<'_>) -> Option<Ports> {
    let items = raw.ports.as_ref()?;
    if items.value.is_empty() {
        report.error(&items.place, "ports is empty", "list at least one port, or write port = \"any\"");
        return None;
    }
    let mut ports = Vec::new();
    for item in &items.value {
        if let Some(twice) = item.value.clone().find(|port| ports.contains(port)) {
            report.error(&item.place, format!("port {twice} is already listed"), "list each port once");
        }
        ports.extend(item.value.clone());
    }
    let ports = Ports::from(ports);
    if ports == Ports::Any && raw.protocol.as_ref().is_some_and(|it| it.value == Protocol::Http) {
        let message = "a service of HTTP can't listen on every port";
        report.error(&items.place, message, "name its port or its ports");
        return None;
    }
    Some(ports)
}

/// Reports services that would answer for the same port of the same address.
pub(super) fn disjoint(services: &[raw::Service], report: &Report<'_>) {
    let mut owners: HashMap<(IpAddr, Protocol, u16), &raw::Service> = HashMap::new();
    for service in services {
        let Some((address, protocol, items)) = endpoint(service) else { continue };
        // One error for each pair: a range may overlap in a thousand ports.
        let mut reported: Vec<&Place> = Vec::new();
        for item in items {
            for port in item.value.clone() {
                let owner = *owners.entry((address, protocol, port)).or_insert(service);
                if std::ptr::eq(owner, service) || reported.contains(&&owner.place) {
                    continue;
                }
                reported.push(&owner.place);
                let which = if port == 0 { "every other port".to_owned() } else { format!("port {port}") };
                report.error(
                    &item.place,
                    format!(
                        "{} and {} at line {} both have {which} of {address} with protocol {protocol}",
                        service.place.key,
                        owner.place.key,
                        report.line(&owner.place)
                    ),
                    "change the address, port or protocol of one of them, or merge their backends",
                );
            }
        }
    }
}

fn endpoint(service: &raw::Service) -> Option<(IpAddr, Protocol, &[At<raw::PortSpan>])> {
    let (address, protocol) = (service.address.as_ref()?.value, service.protocol.as_ref()?.value);
    // HTTP is TCP.
    let transport = if protocol == Protocol::Http { Protocol::Tcp } else { protocol };
    Some((address, transport, &service.ports.as_ref()?.value))
}
