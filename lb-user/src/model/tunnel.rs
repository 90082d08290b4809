//! Rules for `[tunnel]`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Forwarding, Tunnel, rules, service};
use crate::config::{
    raw,
    report::{At, Report},
};

pub(super) fn tunnel(raw: &raw::File, report: &Report<'_>) -> Option<Tunnel> {
    let raw::Tunnel { source, gue_port, mtu } = &raw.tunnel;
    if let Some(source) = source {
        check_source(source, &raw.services, report);
    }
    Some(Tunnel {
        source: source.as_ref()?.value.iter().map(|prefix| prefix.value).collect(),
        gue_port: gue_port.as_ref()?.value,
        mtu: mtu.as_ref()?.value,
    })
}

fn check_source(source: &At<Vec<At<IpNet>>>, services: &[raw::Service], report: &Report<'_>) {
    rules::unique(
        source.value.iter().map(|prefix| (rules::family(prefix.value.addr()), &prefix.place)),
        |family| format!("there is already an {family} source"),
        "give one source for each family; a prefix stands for all addresses in it",
        report,
    );
    for At { value: prefix, place, given } in &source.value {
        let address = At { value: prefix.addr(), place: place.clone(), given: *given };
        rules::host_address(&address, "a source of tunnels", report);
        let service =
            services.iter().find(|it| it.address.as_ref().is_some_and(|it| prefix.contains(&it.value)));
        if let Some(service) = service {
            report.error(
                place,
                format!("source {prefix} takes in the address of {}", service.place.key),
                "give an address of its own: backends let packets in by it",
            );
        }
    }
    if source.value.is_empty() {
        return;
    }
    for service in services.iter().filter(|it| service::forwarding(it).is_some_and(Forwarding::is_tunnel)) {
        let addresses = service.backends().iter().filter_map(|backend| backend.address.as_ref());
        for backend in addresses.filter(|it| !has_family(&source.value, it.value)) {
            let family = rules::family(backend.value);
            report.error(
                &backend.place,
                format!("the tunnel to {} needs an {family} source, and tunnel.source has none", backend.value),
                format!(
                    "add an {family} address to tunnel.source, or remove tunnel.source to use the interface's own"
                ),
            );
        }
    }
}

fn has_family(source: &[At<IpNet>], address: IpAddr) -> bool {
    source.iter().any(|prefix| rules::same_family(prefix.value.addr(), address))
}
