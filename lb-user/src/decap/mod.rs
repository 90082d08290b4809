//! `limpet decap`: the program that unwraps tunnelled packets, and who may send them to whom.
//!
//! The rules follow the host's addresses: a service address that is added to `lo` later is served from
//! then on, and one that is removed is not.

mod figures;
mod rules;

use std::future::pending;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tracing::{info, warn};

pub use self::figures::Figures;
use self::rules::Addresses;
use crate::{
    cli::DecapArgs,
    dataplane::Decap,
    neighbour::{Changes, Interface, Links},
};

/// Attaches the program, and keeps its rules up to date until SIGTERM or Ctrl-C. Then, and as often as
/// `args` say, `report` gets what was counted; at the end the program is detached already.
///
/// # Errors
/// There is no such interface, or it is gone; the program can't be loaded or attached; `report` failed.
pub async fn run(args: &DecapArgs, report: impl Fn(&Figures) -> Result<()>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Before anything is read, so that no change falls between.
    let mut changes = Changes::watch().context("cannot open a netlink socket")?;
    let mut links = Links::connect().context("cannot open a netlink socket")?;

    let interface = links.interface(&args.iface).await?;
    ensure!(interface.mac.is_some(), "{} is not Ethernet; packets come wrapped by one that is", args.iface);
    let mut program = Decap::load(args.gue_port)?;
    let mut addresses = follow(&mut program, args, &mut links, &interface).await?;
    let mode = program.attach(&args.iface, interface.ifindex, args.mode)?;
    info!("unwraps packets on {} in {} mode", args.iface, mode.name());
    addresses.tell(args, None);

    let mut period = args.every.map(|every| {
        let mut period = interval_at(Instant::now() + every, every);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        period
    });
    loop {
        tokio::select! {
            () = changes.next() => {
                let now = links.interface(&args.iface).await.context("the interface is gone")?;
                if now.ifindex != interface.ifindex {
                    bail!("{} is another interface now, and the one before is gone: start again", args.iface);
                }
                match follow(&mut program, args, &mut links, &now).await {
                    Ok(now) => {
                        now.tell(args, Some(&addresses));
                        addresses = now;
                    }
                    Err(error) => warn!("addresses have changed, but what is accepted stays as it was: {error:#}"),
                }
            }
            () = tick(&mut period) => report(&Figures::new(&program.figures()?))?,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let figures = Figures::new(&program.finish()?);
    info!("detached from {}", args.iface);
    report(&figures)
}

/// Makes the rules those of the host's addresses as they are now.
async fn follow(
    program: &mut Decap,
    args: &DecapArgs,
    links: &mut Links,
    interface: &Interface,
) -> Result<Addresses> {
    let addresses = Addresses::new(&interface.addresses, &links.all_addresses().await?);
    program.set_rules(addresses.rules(args))?;
    Ok(addresses)
}

async fn tick(period: &mut Option<Interval>) {
    match period {
        Some(period) => drop(period.tick().await),
        None => pending().await,
    }
}
