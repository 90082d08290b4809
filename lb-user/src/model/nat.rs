//! Rules for `[nat]`.

use std::net::IpAddr;

use super::{Forwarding, Nat, rules, service};
use crate::config::{
    defaults, raw,
    report::{At, Report},
};

pub(super) fn nat(raw: &raw::File, report: &Report<'_>) -> Option<Nat> {
    if let Some(source) = &raw.nat.source {
        check_nat_source(source, &raw.services, report);
    }
    if let Some(ports) = &raw.nat.ports {
        check_nat_ports(ports, report);
    }
    let source = raw.nat.source.as_ref()?.value.iter().map(|address| address.value).collect();
    Some(Nat { source, ports: raw.nat.ports.as_ref()?.value })
}

fn check_nat_source(source: &At<Vec<At<IpAddr>>>, services: &[raw::Service], report: &Report<'_>) {
    rules::unique(
        source.value.iter().map(|address| (address.value, &address.place)),
        |address| format!("source {address} is already listed"),
        "list each address once",
        report,
    );
    for address in &source.value {
        rules::host_address(address, "a source of connections", report);
        let has_address = |service: &&raw::Service| {
            service.address.as_ref().is_some_and(|other| other.value == address.value)
        };
        if let Some(service) = services.iter().find(has_address) {
            report.error(
                &address.place,
                format!("source {} is the address of {} too", address.value, service.place.key),
                "give an address of its own: replies could not be told from requests",
            );
        }
    }
    if source.value.is_empty() {
        return;
    }
    for service in services {
        let rewrites_source =
            service::forwarding(service) == Some(Forwarding::Nat { preserve_client: false });
        let Some(address) = service.address.as_ref().filter(|_| rewrites_source) else {
            continue;
        };
        if !source.value.iter().any(|source| rules::same_family(source.value, address.value)) {
            let family = rules::family(address.value);
            report.error(
                &address.place,
                format!("{} needs an {family} source address, and nat.source has none", service.place.key),
                format!(
                    "add an {family} address to nat.source, or remove nat.source to use the interface's own"
                ),
            );
        }
    }
}

fn check_nat_ports(ports: &At<(u16, u16)>, report: &Report<'_>) {
    let (first, last) = ports.value;
    let complaint = if first > last {
        format!("the range {first}-{last} runs backwards")
    } else if first < defaults::NAT_FIRST_PORT {
        format!("the range {first}-{last} begins among the ports of well-known services")
    } else if u32::from(last - first) + 1 < defaults::NAT_MIN_PORTS {
        format!("the range {first}-{last} is too narrow")
    } else {
        return;
    };
    let help = format!(
        "give at least {} ports from {} up, such as \"1024-32767\"",
        defaults::NAT_MIN_PORTS,
        defaults::NAT_FIRST_PORT,
    );
    report.error(&ports.place, complaint, help);
}
