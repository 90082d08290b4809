//! The daemon: one task owns the maps and everything known, and takes events one at a time: verdicts
//! of health checks, next hops, questions, signals.
//!
//! Each event ends in the same place: a new plan from the model and what is known now, applied step
//! by step. A failed check does not wait for that: its backend's health is written first.

mod aside;
mod backend;
mod claims;
mod core;
mod crowds;
mod drain;
mod events;
mod explain;
mod hand_over;
mod handle;
mod heap;
mod http;
mod loads;
mod moves;
mod plan;
mod restore;
mod search;
mod serve;
mod sessions;
mod snapshot;
mod status;
mod sweep;
mod tunnels;
mod warmup;

use std::{
    future::pending,
    io::Write as _,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep_until},
};
use tracing::{error, info, warn};

use self::{core::Core, handle::Handle};
use crate::{
    api::{Refusal, Reloaded},
    cli::RunArgs,
    config,
};

/// How often expired sessions and flows are cleared away.
const SWEEP: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or Ctrl-C.
///
/// # Errors
/// The configuration has errors, the packet program can't be loaded or attached, or the control
/// socket is taken.
pub async fn run(args: &RunArgs, socket: &Path) -> Result<ExitCode> {
    let file = config::read(&args.config)?;
    let (pins, state) = (args.pins_dir(socket), args.state_dir(socket));
    let inherited = if args.take_over { hand_over::ask(socket).await? } else { None };
    // Before anything is touched: a second daemon with this socket must not get to the maps.
    let socket = hand_over::bind(socket, inherited.is_some()).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;

    let (commands, mut inbox) = mpsc::channel(64);
    let handle = Arc::new(Handle::new(commands));
    let mut servers = serve::Servers::start(socket, Arc::clone(&handle));
    let start = async {
        // First what may fail without a trace. Questions wait until the daemon's task takes them.
        servers.metrics(file.model.http, &handle).await?;
        Core::start(args.config.display().to_string(), &pins, state, file, inherited.as_ref()).await
    };
    let mut core = match start.await {
        Ok(core) => core,
        Err(error) => {
            drop(inbox);
            servers.stop().await;
            return Err(error);
        }
    };
    if let Some(mut before) = inherited {
        // Whoever was here before serves until now. One that is gone needs no word.
        let _ = before.write_all(&[1]);
    }
    info!("ready");
    heap::give_back();

    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let next = loop {
        let (deadline, warmer) = (core.deadline(), core.warmups.next());
        let (drains, moves) = (core.drains.next(), core.mover.next());
        tokio::select! {
            Some(flip) = core.flips.recv() => core.health_changed(&flip),
            Some(change) = core.next_hops.recv() => core.next_hop_changed(change),
            Some(command) = inbox.recv() => match command {
                handle::Command::Status(answer) => core.status(answer),
                handle::Command::Explain(query, answer) => answer.give(core.explain(&query)),
                handle::Command::Plan(query, answer) => core.forecast(&query, answer).await,
                handle::Command::ListSessions(filter, answer) => core.list_sessions(&filter, answer),
                handle::Command::Crowds(query, answer) => core.crowds(&query, answer),
                handle::Command::DropSessions(filter, answer) => core.drop_sessions(&filter, answer),
                handle::Command::Events(query, answer) => answer.give(core.events.after(query.after)),
                handle::Command::Move(order, answer) => core.begin_move(order, answer),
                handle::Command::Moves(answer) => answer.give(Ok(core.mover.list())),
                handle::Command::Undo(order, answer) => core.undo_move(order.id, answer),
                handle::Command::Reload(answer) => {
                    let outcome = reload(&mut core, args, &mut servers, &handle).await;
                    answer.give(outcome);
                }
                handle::Command::HandOver(order, answer) => {
                    match core.hand_over(&order) {
                        Ok((done, next)) => {
                            answer.give(Ok(done));
                            break Some(next);
                        }
                        Err(refusal) => answer.give(Err(refusal)),
                    }
                }
                handle::Command::Backend(order, answer) => answer.give(core.order(&order).await),
            },
            then = core.aside.next() => then(&mut core),
            () = reached(warmer) => core.warm_up(),
            event = core.events.next() => core.note_broken(&event),
            Some(event) = core.http_events.recv() => core.note_broken(&event),
            event = core.snapshots.next(core.model.snapshot_interval) => core.snapshot(event),
            () = reached(deadline) => core.meet_deadlines().await,
            () = reached(drains) => core.look_at_drains(),
            () = reached(moves) => core.go_on_moving(),
            _ = hangup.recv() => match reload(&mut core, args, &mut servers, &handle).await {
                Ok(done) => done.changes.iter().for_each(|change| info!("{change}")),
                Err(refusal) => {
                    error!("{refusal}");
                    refusal.errors.iter().for_each(|error| error!("{error}"));
                }
            },
            _ = sweep.tick() => core.sweep(),
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
        }
    };
    // Whoever has asked meanwhile is told that nobody answers, and does not wait for requests to end.
    drop(inbox);
    // The next daemon begins when the control socket is free: only one at a time may move sessions and survey them.
    core.aside.end().await;
    if let Some(next) = next {
        // The control socket after all else: by that the next daemon knows that the maps are its own.
        let requests = core.leave_to_the_next().await;
        servers.stop().await;
        if !requests.are_replaced(next).await {
            error!(
                "the daemon that took over has failed: this one goes on with its HTTP services until SIGTERM"
            );
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        tokio::select! {
            () = requests.stop() => {}
            // Asked once more, it does not wait for anybody.
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    } else {
        servers.stop().await;
        core.stop(args.detach_on_exit).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Resolves at this moment; never, if there is none.
async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => pending().await,
    }
}

/// Reads the file again and applies it; refused, nothing has changed.
async fn reload(
    core: &mut Core,
    args: &RunArgs,
    servers: &mut serve::Servers,
    handle: &Arc<Handle>,
) -> Result<Reloaded, Refusal> {
    let file = config::read(&args.config)?;
    let http = file.model.http;
    let changes = core.reload(file).await?;
    heap::give_back();
    if let Err(error) = servers.metrics(http, handle).await {
        warn!("{error:#}");
    }
    Ok(Reloaded { changes })
}
