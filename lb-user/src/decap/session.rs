//! The program on its interface.

use anyhow::{Context as _, Result, bail, ensure};
use tracing::{info, warn};

use super::{Figures, rules::Addresses};
use crate::{
    cli::DecapArgs,
    dataplane::Decap,
    neighbour::{Interface, LinkError, Links},
};

/// From attaching to detaching. Dropping it detaches too.
#[derive(Debug)]
pub(super) struct Session<'a> {
    args: &'a DecapArgs,
    links: Links,
    ifindex: u32,
    program: Decap,
    addresses: Addresses,
}

impl<'a> Session<'a> {
    /// Attaches the program, with the rules of the host's addresses.
    pub(super) async fn start(args: &'a DecapArgs) -> Result<Self> {
        let mut links = Links::connect().context("cannot open a netlink socket")?;
        let interface = links.interface(&args.iface).await?;
        ensure!(
            interface.mac.is_some(),
            "{} is not Ethernet, and the program reads nothing else",
            args.iface
        );
        let addresses = look(&mut links, &interface).await?;
        let mut program = Decap::load(args.gue_port)?;
        program.set_rules(addresses.rules(args))?;
        let mode = program.attach(&args.iface, interface.ifindex, args.mode)?;
        info!("unwraps packets on {} in {} mode", args.iface, mode.name());
        addresses.tell(args, None);
        Ok(Self { args, links, ifindex: interface.ifindex, program, addresses })
    }

    /// Makes the rules those of the host's addresses as they are now. Where these can't be read, what was
    /// accepted goes on.
    ///
    /// # Errors
    /// The interface is gone, and the program with it.
    pub(super) async fn follow(&mut self) -> Result<()> {
        let iface = &self.args.iface;
        let followed = match self.links.interface(iface).await {
            Err(error @ LinkError::NoInterface(_)) => return Err(error).context("the interface is gone"),
            Err(error) => Err(error.into()),
            Ok(now) if now.ifindex != self.ifindex => {
                bail!("{iface} is another interface now, and the one before is gone: start again")
            }
            Ok(now) => self.adopt(&now).await,
        };
        if let Err(error) = followed {
            warn!("cannot follow the host's addresses; what was accepted goes on: {error:#}");
        }
        Ok(())
    }

    async fn adopt(&mut self, interface: &Interface) -> Result<()> {
        let addresses = look(&mut self.links, interface).await?;
        self.program.set_rules(addresses.rules(self.args))?;
        addresses.tell(self.args, Some(&self.addresses));
        self.addresses = addresses;
        Ok(())
    }

    /// What was counted so far.
    pub(super) fn figures(&self) -> Result<Figures> {
        Ok(Figures::new(&self.program.figures()?))
    }

    /// Detaches the program; what it counted.
    pub(super) fn finish(self) -> Result<Figures> {
        let figures = Figures::new(&self.program.finish()?);
        info!("detached from {}", self.args.iface);
        Ok(figures)
    }
}

async fn look(links: &mut Links, interface: &Interface) -> Result<Addresses> {
    Ok(Addresses::new(&interface.addresses, &links.all_addresses().await?))
}
