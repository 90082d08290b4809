//! What a model asks of the daemon: servers to check, ways to find, addresses to send from.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};

use crate::{
    health::{BackendKey, Target},
    model::{Forwarding, Model},
    neighbour::Interface,
    plan::Sources,
};

/// Every backend as a target of health checks.
pub(super) fn targets(model: &Model) -> impl Iterator<Item = Target> + '_ {
    model.services.iter().flat_map(|service| {
        service.backends.iter().map(|backend| {
            let first = service.ports.first();
            // Only where nothing is checked, there may be no port at all.
            let port = service.health.port.or(backend.port).or(first).unwrap_or_default();
            Target {
                key: BackendKey::new(&service.name, &backend.name),
                address: SocketAddr::new(backend.address, port),
                service: SocketAddr::new(service.address, first.unwrap_or(port)),
                health: service.health.clone(),
                initially_up: true,
            }
        })
    })
}

/// The address of every backend that packets are sent to.
pub(super) fn addresses(model: &Model) -> impl Iterator<Item = IpAddr> + '_ {
    let forwards = |service: &&crate::model::Service| service.forwarding != Forwarding::Proxy;
    let services = model.services.iter().filter(forwards);
    services.flat_map(|service| service.backends.iter().map(|backend| backend.address))
}

/// The configured source addresses; for a family without one, the first interface's own.
pub(super) fn sources(model: &Model, first: Option<&Interface>) -> Result<Sources> {
    let mut list = model.nat.source.clone();
    for ipv6 in [false, true] {
        let needed = model.services.iter().find(|service| {
            service.address.is_ipv6() == ipv6
                && service.forwarding == Forwarding::Nat { preserve_client: false }
        });
        let Some(service) = needed.filter(|_| list.iter().all(|address| address.is_ipv6() != ipv6)) else {
            continue;
        };
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        let own = first.and_then(|interface| interface.own_address(ipv6)).with_context(|| {
            format!(
                "service {} rewrites sources, and {} has no {family} address of its own to use: \
                 give it one, or set `source` in [nat]",
                service.name,
                model.interface.names.first().map_or("the interface", String::as_str)
            )
        })?;
        list.push(own);
    }
    Sources::new(list)
}
