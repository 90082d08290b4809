//! Everything the daemon knows, and what each event does to it.

mod reload;
mod start;
mod wants;

use std::{
    collections::HashMap,
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use lb_common::{
    reason::Reason,
    state::{Event, Health},
};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tracing::{info, warn};

use self::wants::{addresses, targets};
use super::{
    aside::Aside, claims::Claims, drain::Drains, events::Reports, http::Requesting, moves::Mover,
    snapshot::Snapshots, warmup::Warmups,
};
use crate::{
    clock,
    config::File,
    dataplane::{self, Dataplane as _, Mode, Program},
    health::{BackendKey, Flip, Monitor, Target},
    http::Tier,
    model::Model,
    neighbour::{Change, Links, Resolver},
    plan::{self, Inputs, Plan, State},
    runtime::Changes,
};

/// An interface with the packet program on it.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    pub(super) name: String,
    pub(super) ifindex: u32,
    pub(super) mode: Mode,
}

/// The daemon's knowledge.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) program: Program,
    /// What is in force: the file with the changes over it.
    pub(super) model: Arc<Model>,
    /// What the configuration file says.
    pub(super) file: File,
    /// What operators changed since.
    pub(super) changes: Changes,
    /// How far the drains among them are.
    pub(super) drains: Drains,
    /// Sessions that are being given to other backends.
    pub(super) mover: Mover,
    /// Where the changes are kept.
    pub(super) state_dir: PathBuf,
    pub(super) state: State,
    pub(super) inputs: Inputs,
    pub(super) monitor: Monitor,
    pub(super) warmups: Warmups,
    pub(super) events: Reports,
    /// Services of HTTP.
    pub(super) http: Tier,
    /// What these report of broken promises.
    pub(super) http_events: Receiver<Event>,
    pub(super) attachments: Vec<Attachment>,
    pub(super) started: Instant,
    pub(super) config: String,
    pub(super) flips: UnboundedReceiver<Flip>,
    pub(super) next_hops: UnboundedReceiver<Change>,
    /// The counter of this name at the last sweep.
    no_source_port: u64,
    /// How long the machine was suspended by then.
    asleep: Duration,
    /// Where sessions are read.
    pub(super) aside: Aside,
    /// Is somebody there clearing away what expired?
    pub(super) is_sweeping: bool,
    /// Sessions on disk.
    pub(super) snapshots: Snapshots,
    /// Addresses without a next hop, and why.
    pub(super) unreachable: HashMap<IpAddr, String>,
    resolver: Resolver,
    links: Links,
    claims: Claims,
}

impl Core {
    /// Gives addresses back and takes the packet program away.
    async fn leave(&mut self) -> Result<()> {
        let released = self.claims.release(&mut self.links).await;
        dataplane::detach_all(&self.program)?;
        released
    }

    /// Plans and applies; returns the changes in words. Refused, `self.inputs` stays as it was.
    pub(super) fn install(&mut self, model: &Model, inputs: Inputs) -> Result<Vec<String>> {
        let mut inputs = inputs.for_model(&self.state, model);
        self.start_slowly(model, &mut inputs);
        let Plan { steps, next, changes } = plan::plan(&self.state, model, &inputs)?;
        if let Err(error) = steps.iter().try_for_each(|step| plan::apply(step, &mut self.program.kernel)) {
            // Some steps were taken; the maps know which.
            self.state = State::adopt(&self.program.kernel, model.limits.backends)?;
            return Err(error);
        }
        self.state = next;
        self.inputs = inputs;
        self.share_loads(model);
        self.http.update(model, &self.state);
        Ok(changes)
    }

    /// Brings everything beside the maps in line with the model.
    pub(super) async fn follow(&mut self, model: &Model) -> Result<()> {
        let up = |key: &BackendKey| self.inputs.checked(key) != Health::Down;
        let wanted =
            targets(model).map(|target| Target { initially_up: up(&target.key), ..target }).collect();
        self.monitor.reconcile(wanted);
        self.resolver.reconcile(addresses(model));
        self.unreachable.retain(|address, _| self.resolver.wants(*address));
        if let Some(first) = self.attachments.first() {
            self.claims.follow(&mut self.links, model, first.ifindex).await?;
        }
        Ok(())
    }

    /// Plans again for the same model, because health or next hops changed.
    pub(super) fn replan(&mut self) {
        let model = Arc::clone(&self.model);
        if let Err(error) = self.install(&model, self.inputs.clone()) {
            warn!("cannot apply: {error:#}");
        }
    }

    pub(super) fn health_changed(&mut self, flip: &Flip) {
        self.note_health(flip);
        self.catch_up();
    }

    pub(super) fn next_hop_changed(&mut self, change: Change) {
        self.note_next_hop(change);
        self.catch_up();
    }

    /// Takes what else has arrived, then plans once for all of it: where many backends die together,
    /// the last must not wait for the slot tables of all the others.
    fn catch_up(&mut self) {
        while let Ok(flip) = self.flips.try_recv() {
            self.note_health(&flip);
        }
        while let Ok(change) = self.next_hops.try_recv() {
            self.note_next_hop(change);
        }
        self.replan();
    }

    /// Notes a verdict, and fails over at once; the slot tables follow.
    fn note_health(&mut self, flip: &Flip) {
        if !self.monitor.is_current(flip) {
            return;
        }
        let health = if flip.up { Health::Up } else { Health::Down };
        let Flip { key, reason, .. } = flip;
        info!(
            "service {}: backend {} is {}: {reason}",
            key.service,
            key.backend,
            if flip.up { "up" } else { "down" }
        );
        self.inputs.health.insert(key.clone(), health);
        let health = self.inputs.health(key);
        let was_down = self.state.backends.get(key).is_some_and(|known| known.health == Health::Down);
        if health == Health::Up && was_down {
            self.came_up(key);
        }
        if let Some(backend) = self.state.backends.get_mut(key) {
            match self.program.kernel.set_health(backend.id, health) {
                Ok(()) => backend.health = health,
                Err(error) => warn!("{error:#}"),
            }
        }
    }

    fn note_next_hop(&mut self, Change { address, next_hop }: Change) {
        // It was under way while its backend was removed.
        if !self.resolver.wants(address) {
            return;
        }
        match next_hop {
            Ok(hop) => {
                self.unreachable.remove(&address);
                self.inputs.next_hops.insert(address, Some(hop));
            }
            Err(why) => {
                warn!("no way to {address}: {why}");
                self.unreachable.insert(address, why.to_string());
                self.inputs.next_hops.insert(address, None);
            }
        }
    }

    /// Says so where the packet program's clock has stood still.
    pub(super) fn warn_of_sleep(&mut self) {
        let asleep = clock::asleep();
        let slept = asleep.saturating_sub(std::mem::replace(&mut self.asleep, asleep));
        // Below, it is how the clocks are read.
        if slept >= Duration::from_secs(1) {
            warn!(
                "the machine was suspended for {}: timeouts of sessions stood still, so they last that much longer",
                humantime::format_duration(Duration::from_secs(slept.as_secs()))
            );
        }
    }

    /// Says so once for each sweep in which connections were dropped for want of room.
    pub(super) fn warn_of_drops(&mut self) -> Result<()> {
        let count = self.program.kernel.count(Reason::NoSourcePort)?;
        let dropped = count - std::mem::replace(&mut self.no_source_port, count).min(count);
        if dropped > 0 {
            warn!(
                "{dropped} packets of new connections were dropped for want of a source port (no_source_port): \
                 raise `nat_connections` in [limits], or add `source` addresses in [nat]"
            );
        }
        Ok(())
    }

    /// Lets go of everything but the requests under way, for the daemon that comes next.
    pub(super) async fn leave_to_the_next(mut self) -> Requesting {
        self.last_snapshot().await;
        info!("another daemon takes this one's place");
        self.take_requests()
    }

    /// Ends the daemon; with `detach`, the packet program and its tables too.
    pub(super) async fn stop(mut self, detach: bool) -> Result<()> {
        self.take_requests().stop().await;
        if !detach {
            self.last_snapshot().await;
            info!("stopping; the packet program goes on (--detach-on-exit ends it too)");
            return Ok(());
        }
        let left = self.leave().await;
        // The maps last as long as the daemon, and nothing changes any more.
        self.last_snapshot().await;
        left?;
        info!("detached");
        Ok(())
    }
}
