//! Service addresses on the first interface, so that the kernel answers ARP and neighbour discovery
//! for them.

use std::{collections::BTreeSet, net::IpAddr};

use anyhow::Result;
use tracing::{info, warn};

use crate::{
    model::Model,
    neighbour::{Claim, Links, announce},
};

/// Addresses that this daemon holds.
#[derive(Debug, Default)]
pub(super) struct Claims {
    held: BTreeSet<(u32, IpAddr)>,
}

impl Claims {
    /// Makes the model's addresses the ones held on interface `ifindex`.
    ///
    /// # Errors
    /// The kernel refused.
    pub(super) async fn follow(&mut self, links: &mut Links, model: &Model, ifindex: u32) -> Result<()> {
        let wanted: BTreeSet<_> = match model.interface.claim {
            true => model.services.iter().map(|service| (ifindex, service.address)).collect(),
            false => BTreeSet::new(),
        };
        for &(ifindex, address) in wanted.difference(&self.held.clone()) {
            match links.claim(ifindex, address).await? {
                Claim::Foreign => {
                    info!("{address} is on the interface already; it stays there at the end");
                    continue;
                }
                Claim::Added => {
                    if let Err(error) = announce(ifindex, address) {
                        warn!(
                            "cannot announce {address}: {error}; neighbours learn of it when they next ask"
                        );
                    }
                }
                Claim::Held => {}
            }
            self.held.insert((ifindex, address));
        }
        for (ifindex, address) in self.held.difference(&wanted).copied().collect::<Vec<_>>() {
            links.release(ifindex, address).await?;
            self.held.remove(&(ifindex, address));
        }
        Ok(())
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
