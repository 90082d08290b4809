//! Service addresses on the first interface, so that the kernel answers ARP and neighbour discovery
//! for them.

use std::{collections::BTreeSet, net::IpAddr};

use anyhow::Result;
use tracing::{info, warn};

use crate::{
    model::Model,
    neighbour::{Announcer, Claim, Interface, Links},
};

/// Addresses that this daemon holds.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: BTreeSet<(u32, IpAddr)>,
}

impl Claims {
    /// Those of `services` that an interface has from an earlier run, and not from anybody else.
    pub(super) fn adopt(interfaces: &[Interface], services: &BTreeSet<IpAddr>) -> Self {
        let mut held = BTreeSet::new();
        for interface in interfaces {
            let claimed = interface.addresses.iter().filter(|address| address.claimed);
            let ours = claimed.map(|address| address.network.addr()).filter(|ip| services.contains(ip));
            held.extend(ours.map(|ip| (interface.ifindex, ip)));
        }
        Self { held }
    }

    /// Makes the model's addresses the ones held on interface `ifindex`.
    ///
    /// # Errors
    /// The kernel refused.
    pub(super) async fn follow(&mut self, links: &mut Links, model: &Model, ifindex: u32) -> Result<()> {
        let wanted: BTreeSet<_> = match model.interface.claim {
            true => model.services.iter().map(|service| (ifindex, service.address)).collect(),
            false => BTreeSet::new(),
        };
        let new: Vec<_> = wanted.difference(&self.held).map(|(_, address)| *address).collect();
        if !new.is_empty() {
            self.take(links, ifindex, &new).await?;
        }
        for (ifindex, address) in self.held.difference(&wanted).copied().collect::<Vec<_>>() {
            links.release(ifindex, address).await?;
            self.held.remove(&(ifindex, address));
        }
        Ok(())
    }

    /// Adds addresses to an interface, and tells its segment.
    async fn take(&mut self, links: &mut Links, ifindex: u32, new: &[IpAddr]) -> Result<()> {
        let announcer = Announcer::new(ifindex);
        let note = |address, claim| {
            match claim {
                Claim::Foreign => {
                    info!("{address} is on the interface already; it stays there at the end");
                    return;
                }
                Claim::Added => {
                    let announced = match &announcer {
                        Ok(announcer) => announcer.announce(address).map_err(|error| error.to_string()),
                        Err(error) => Err(error.to_string()),
                    };
                    if let Err(error) = announced {
                        warn!(
                            "cannot announce {address}: {error}; neighbours learn of it when they next ask"
                        );
                    }
                }
                Claim::Held => {}
            }
            self.held.insert((ifindex, address));
        };
        links.claim(ifindex, new, note).await?;
        Ok(())
    }

    /// Service addresses that the kernel answers pings of: those that it is given, or has already.
    ///
    /// # Errors
    /// The kernel refused.
    pub(super) async fn answered(links: &mut Links, model: &Model) -> Result<BTreeSet<IpAddr>> {
        let services = model.services.iter().map(|service| service.address);
        if model.interface.claim {
            return Ok(services.collect());
        }
        let own: BTreeSet<_> = links.all_addresses().await?.iter().map(|own| own.network.addr()).collect();
        Ok(services.filter(|address| own.contains(address)).collect())
    }

    /// Gives all addresses back.
    ///
    /// # Errors
    /// The kernel refused.
    pub(super) async fn release(&mut self, links: &mut Links) -> Result<()> {
        for (ifindex, address) in std::mem::take(&mut self.held) {
            links.release(ifindex, address).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbour::Address;

    #[test]
    fn only_claimed_service_addresses_are_adopted() {
        let address = |network: &str, claimed| Address {
            network: network.parse().unwrap(),
            global: true,
            passing: false,
            claimed,
        };
        let addresses = vec![
            address("192.0.2.1/32", true),
            address("192.0.2.2/32", false),
            address("192.0.2.3/32", true),
        ];
        let interface = Interface { ifindex: 7, mac: None, mtu: 1500, addresses };
        let services = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap()).into();
        let held = Claims::adopt(&[interface], &services).held;
        assert_eq!(held, [(7, "192.0.2.1".parse().unwrap())].into());
    }
}
