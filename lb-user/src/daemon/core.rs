//! Everything the daemon knows, and what each event does to it.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lb_common::{reason::Reason, state::Health};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};
use tracing::{info, warn};

use super::{backend, claims::Claims, sweep, tunnels::tunnels};
use crate::{
    dataplane::{self, Dataplane as _, Mode, Options, Program},
    health::{BackendKey, Flip, Monitor, Target},
    model::{Forwarding, Model},
    neighbour::{Change, Interface, Links, Resolver},
    plan::{self, Inputs, Plan, Sources, State},
    runtime::{self, Admin, Changes},
};

/// How long a start waits for next hops before packets are let in.
const FIRST_HOPS: Duration = Duration::from_secs(2);

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
    pub(super) file: Model,
    /// What operators changed since.
    pub(super) changes: Changes,
    /// Where the changes are kept.
    pub(super) state_dir: PathBuf,
    pub(super) state: State,
    pub(super) inputs: Inputs,
    pub(super) monitor: Monitor,
    pub(super) attachments: Vec<Attachment>,
    pub(super) started: Instant,
    pub(super) config: String,
    pub(super) flips: UnboundedReceiver<Flip>,
    pub(super) next_hops: UnboundedReceiver<Change>,
    /// The counter of this name at the last sweep.
    no_source_port: u64,
    /// Addresses without a next hop, and why.
    pub(super) unreachable: HashMap<IpAddr, String>,
    resolver: Resolver,
    links: Links,
    claims: Claims,
}

/// What a file asks for.
pub(super) struct Wanted {
    file: Model,
    changes: Changes,
    /// Some run-time changes are of backends that it does not have.
    forgets: bool,
    /// What is to be in force.
    pub(super) model: Arc<Model>,
    pub(super) inputs: Inputs,
}

impl Core {
    /// Loads the program or adopts what runs, fills the tables, and only then lets packets in.
    pub(super) async fn start(config: String, pins: &Path, state_dir: PathBuf, file: Model) -> Result<Self> {
        let changes = backend::load(&state_dir, &file);
        let model = changes.over(&file);
        let mut links = Links::connect().context("cannot open a netlink socket")?;
        let mut interfaces = Vec::new();
        for name in &model.interface.names {
            interfaces.push(links.interface(name).await?);
        }
        warn_of_port_overlap(&model);
        let sources = sources(&model, interfaces.first())?;
        let tunnels = tunnels(&model, interfaces.first())?;

        let options = Options {
            limits: &model.limits,
            nat: &model.nat,
            key: model.secret.as_deref().map(plan::settings_key),
            pins: Some(pins),
        };
        let mut program = Program::load(&options)?;
        program.forward_log()?;
        let state = match program.adopted {
            true => State::adopt(&program.kernel, model.limits.backends)?,
            false => State::default(),
        };
        let services = state.services.keys().map(|key| key.address.into()).collect();
        let claims = Claims::adopt(&interfaces, &services);
        let key = program.settings.key.each_ref().map(lb_common::settings::Fixed::get);
        let checked = |(key, installed): (&BackendKey, &plan::BackendState)| {
            // Of a disabled one nobody knows what its check said last.
            let is_down = installed.health == Health::Down && changes.of(key).admin != Admin::Disabled;
            (key.clone(), if is_down { Health::Down } else { Health::Up })
        };
        let health = state.backends.iter().map(checked).collect();
        let answered = Claims::answered(&mut links, &model).await?;
        let inputs = Inputs {
            health,
            admin: changes.admin(),
            next_hops: HashMap::new(),
            sources,
            tunnels,
            answered,
            seed: plan::seed(&key),
        };

        let (monitor, flips) = Monitor::new();
        let (resolver, next_hops) = Resolver::start().context("cannot open a netlink socket")?;
        let no_source_port = program.kernel.count(Reason::NoSourcePort)?;
        let mut core = Self {
            program,
            model: Arc::new(model),
            file,
            changes,
            state_dir,
            state,
            inputs,
            monitor,
            attachments: Vec::new(),
            started: Instant::now(),
            config,
            flips,
            next_hops,
            no_source_port,
            unreachable: HashMap::new(),
            resolver,
            links,
            claims,
        };
        if core.program.adopted {
            info!("adopted {} backends and their connections from an earlier run", core.state.backends.len());
        }
        core.resolver.reconcile(addresses(&core.model));
        core.await_next_hops().await;
        if let Err(error) = core.go_live(&interfaces).await {
            // What an earlier run installed goes on; nobody would look after anything else.
            if !core.program.adopted
                && let Err(error) = core.leave().await
            {
                warn!("{error:#}");
            }
            return Err(error);
        }
        Ok(core)
    }

    /// Fills the tables, then lets packets in.
    async fn go_live(&mut self, interfaces: &[Interface]) -> Result<()> {
        let model = Arc::clone(&self.model);
        self.install(&model, self.inputs.clone())?;
        self.program.open()?;
        for (name, interface) in model.interface.names.iter().zip(interfaces) {
            self.attach(name, interface.ifindex)?;
        }
        self.program.detach_others(&model.interface.names)?;
        self.follow(&model).await
    }

    /// Gives addresses back and takes the packet program away.
    async fn leave(&mut self) -> Result<()> {
        let released = self.claims.release(&mut self.links).await;
        dataplane::detach_all(&self.program)?;
        released
    }

    fn attach(&mut self, name: &str, ifindex: u32) -> Result<()> {
        let attached = dataplane::attach(&mut self.program, name, ifindex, self.model.interface.mode)?;
        let how = if attached.adopted { "replaced the packet program on" } else { "attached to" };
        info!("{how} {name} in {} mode", attached.mode.name());
        if attached.mode == Mode::Generic {
            warn!("{name}: generic mode is several times slower than driver mode");
        }
        self.attachments.push(Attachment { name: name.to_owned(), ifindex, mode: attached.mode });
        Ok(())
    }

    /// Gives the first answers about next hops a moment, so that the first packets find a way.
    async fn await_next_hops(&mut self) {
        let mut missing: HashSet<IpAddr> = addresses(&self.model).collect();
        let known = |change: &Change| change.next_hop.is_ok();
        let deadline = tokio::time::Instant::now() + FIRST_HOPS;
        while !missing.is_empty() {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let Ok(Some(change)) = timeout(left, self.next_hops.recv()).await else { return };
            if known(&change) {
                missing.remove(&change.address);
            }
            self.note_next_hop(change);
        }
    }

    /// What a file asks for, with the run-time changes that it leaves room for.
    ///
    /// # Errors
    /// What can't change while it runs.
    pub(super) async fn prepare(&mut self, file: Model) -> Result<Wanted> {
        let mut changes = self.changes.clone();
        let forgotten = changes.forget_others(&file);
        let model = changes.over(&file);
        self.check_fixed(&model)?;
        let first = match model.interface.names.first() {
            Some(name) => Some(self.links.interface(name).await?),
            None => None,
        };
        let inputs = Inputs {
            sources: sources(&model, first.as_ref())?,
            answered: Claims::answered(&mut self.links, &model).await?,
            tunnels: tunnels(&model, first.as_ref())?,
            admin: changes.admin(),
            ..self.inputs.clone()
        };
        Ok(Wanted { file, changes, forgets: !forgotten.is_empty(), model: Arc::new(model), inputs })
    }

    /// Applies what was read from the file.
    ///
    /// # Errors
    /// What can't change while it runs; nothing was changed then.
    pub(super) async fn reload(&mut self, file: Model) -> Result<Vec<String>> {
        let Wanted { file, changes, forgets, model, inputs } = self.prepare(file).await?;
        let said = self.install(&model, inputs)?;
        self.model = Arc::clone(&model);
        (self.file, self.changes) = (file, changes);
        if forgets && let Err(error) = runtime::save(&self.state_dir, &self.changes) {
            warn!("cannot forget run-time changes of backends that left the file: {error}");
        }
        // The plan is in force; what fails now can't refuse it any more.
        if let Err(error) = self.follow(&model).await {
            warn!("{error:#}");
        }
        Ok(said)
    }

    /// What is fixed for as long as the maps live.
    fn check_fixed(&self, model: &Model) -> Result<()> {
        let mut differ = Vec::new();
        if model.limits != self.model.limits {
            differ.push("[limits]");
        }
        if model.nat.ports != self.model.nat.ports {
            differ.push("[nat] ports");
        }
        if model.secret != self.model.secret {
            differ.push("[hash] secret");
        }
        if model.interface.names != self.model.interface.names
            || model.interface.mode != self.model.interface.mode
        {
            differ.push("[interface] names and mode");
        }
        anyhow::ensure!(
            differ.is_empty(),
            "{} can't change by a reload, nor by a plain restart, which goes on with what is installed: stop a \
             daemon that runs with --detach-on-exit, which ends its connections and sessions, and start it \
             again. Nothing was changed, what runs goes on",
            differ.join(", ")
        );
        Ok(())
    }

    /// Plans and applies; returns the changes in words. Refused, `self.inputs` stays as it was.
    pub(super) fn install(&mut self, model: &Model, inputs: Inputs) -> Result<Vec<String>> {
        let inputs = inputs.for_model(&self.state, model);
        let Plan { steps, next, changes } = plan::plan(&self.state, model, &inputs)?;
        if let Err(error) = steps.iter().try_for_each(|step| plan::apply(step, &mut self.program.kernel)) {
            // Some steps were taken; the maps know which.
            self.state = State::adopt(&self.program.kernel, model.limits.backends)?;
            return Err(error);
        }
        self.state = next;
        self.inputs = inputs;
        Ok(changes)
    }

    /// Brings everything beside the maps in line with the model.
    async fn follow(&mut self, model: &Model) -> Result<()> {
        let up = |key: &BackendKey| self.inputs.checked(key) != Health::Down;
        let wanted =
            targets(model).map(|target| Target { initially_up: up(&target.key), ..target }).collect();
        self.monitor.reconcile(wanted);
        self.resolver.reconcile(addresses(model));
        self.unreachable.retain(|address, _| addresses(model).any(|wanted| wanted == *address));
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
        if let Some(backend) = self.state.backends.get_mut(key) {
            match self.program.kernel.set_health(backend.id, health) {
                Ok(()) => backend.health = health,
                Err(error) => warn!("{error:#}"),
            }
        }
    }

    fn note_next_hop(&mut self, Change { address, next_hop }: Change) {
        // It was under way while its backend was removed.
        if !addresses(&self.model).any(|wanted| wanted == address) {
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

    pub(super) fn sweep(&mut self) {
        if let Err(error) = sweep::sweep(&mut self.program.kernel, &self.state) {
            warn!("cannot clear away what expired: {error:#}");
        }
        if let Err(error) = self.warn_of_drops() {
            warn!("cannot read the counters: {error:#}");
        }
    }

    /// Says so once for each sweep in which connections were dropped for want of room.
    fn warn_of_drops(&mut self) -> Result<()> {
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

    /// Ends the daemon; with `detach`, the packet program and its tables too.
    pub(super) async fn stop(mut self, detach: bool) -> Result<()> {
        if !detach {
            info!("stopping; the packet program goes on (--detach-on-exit ends it too)");
            return Ok(());
        }
        self.leave().await?;
        info!("detached");
        Ok(())
    }
}

/// Every backend as a target of health checks.
fn targets(model: &Model) -> impl Iterator<Item = Target> + '_ {
    model.services.iter().flat_map(|service| {
        service.backends.iter().map(|backend| {
            let first = service.ports.first();
            // Only where nothing is checked, there may be no port at all.
            let port = service.health.port.or(backend.port).or(first).unwrap_or_default();
            Target {
                key: BackendKey { service: service.name.clone(), backend: backend.name.clone() },
                address: SocketAddr::new(backend.address, port),
                service: SocketAddr::new(service.address, first.unwrap_or(port)),
                health: service.health.clone(),
                initially_up: true,
            }
        })
    })
}

fn addresses(model: &Model) -> impl Iterator<Item = IpAddr> + '_ {
    model.services.iter().flat_map(|service| service.backends.iter().map(|backend| backend.address))
}

/// The configured source addresses; for a family without one, the first interface's own.
fn sources(model: &Model, first: Option<&Interface>) -> Result<Sources> {
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

/// The kernel must not use the ports that rewritten connections do.
fn warn_of_port_overlap(model: &Model) {
    let Ok(range) = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range") else { return };
    let mut ends = range.split_whitespace().filter_map(|end| end.parse::<u16>().ok());
    if let (Some(first), Some(last)) = (ends.next(), ends.next()) {
        let (ours, theirs) = (model.nat.ports, (first, last));
        if ours.0 <= theirs.1 && theirs.0 <= ours.1 {
            warn!(
                "[nat] ports {}-{} overlap the kernel's own {}-{} (net.ipv4.ip_local_port_range): \
                 connections of this host to a backend may be taken for a client's",
                ours.0, ours.1, theirs.0, theirs.1
            );
        }
    }
}
