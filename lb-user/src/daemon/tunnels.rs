//! The outer headers of tunnels: from the configuration and the first interface's own addresses.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use lb_common::state::Tunnel;
use tracing::warn;

use crate::{
    model::{Model, Service},
    neighbour::Interface,
    plan,
};

/// What tunnelled packets are wrapped in, by outer family; nothing for a family that no backend needs.
///
/// # Errors
/// There is no source address.
pub(super) fn tunnels(model: &Model, first: Option<&Interface>) -> Result<[Tunnel; Tunnel::COUNT as usize]> {
    let mtu = u32::from(model.tunnel.mtu);
    if let Some(first) = first.filter(|first| first.mtu < mtu)
        && model.services.iter().any(|service| service.forwarding.is_tunnel())
    {
        warn!(
            "[tunnel] mtu {mtu} is more than the {} of the first interface: larger packets that leave by it are lost",
            first.mtu
        );
    }
    let mut tunnels = [Tunnel::default(); Tunnel::COUNT as usize];
    for ipv6 in [false, true] {
        let needs = |service: &&Service| {
            let mut backends = service.backends.iter();
            service.forwarding.is_tunnel() && backends.any(|backend| backend.address.is_ipv6() == ipv6)
        };
        let Some(service) = model.services.iter().find(needs) else { continue };
        let configured = model.tunnel.source.iter().find(|source| source.addr().is_ipv6() == ipv6);
        let own = || first.and_then(|interface| interface.own_address(ipv6)).map(IpAddr::into);
        let source = configured.copied().or_else(own).with_context(|| {
            format!(
                "service {} has tunnels to backends, and {} has no {} address of its own to send from: \
                 give it one, or set `source` in [tunnel]",
                service.name,
                model.interface.names.first().map_or("the interface", String::as_str),
                if ipv6 { "IPv6" } else { "IPv4" },
            )
        })?;
        tunnels[Tunnel::index(ipv6) as usize] = plan::tunnel(&model.tunnel, source);
    }
    Ok(tunnels)
}
