//! `limpet decap`: the program that unwraps tunnelled packets, and who may send them to whom.
//!
//! The rules follow the host's addresses: a service address that is added to `lo` later is served from
//! then on, and one that is removed is not.

mod figures;
mod rules;
mod session;

use std::{future::pending, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep},
};

pub use self::figures::Figures;
use self::session::Session;
use crate::{cli::DecapArgs, neighbour::Changes};

/// How long a change is left to settle, where more may follow.
const SETTLE: Duration = Duration::from_millis(50);

/// How often addresses are read anew, in case that failed when they changed.
const RESYNC_EVERY: Duration = Duration::from_secs(60);

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
    let mut session = Session::start(args).await?;
    let mut resync = every(RESYNC_EVERY);
    let mut period = args.every.map(every);
    loop {
        let change = async {
            tokio::select! {
                () = changes.next() => {}
                _ = resync.tick() => {}
            }
        };
        tokio::select! {
            () = change => {
                sleep(SETTLE).await;
                session.follow().await?;
            }
            () = tick(period.as_mut()) => report(&session.figures()?)?,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    report(&session.finish()?)
}

/// Ticks for the first time after one period.
fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Never, without an interval.
async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => pending().await,
    }
}
