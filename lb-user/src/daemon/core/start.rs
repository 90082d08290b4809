//! How the daemon begins: nothing is let in before the tables are full.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lb_common::{reason::Reason, state::Health};
use tokio::time::timeout;
use tracing::{info, warn};

use super::{
    Attachment, Core,
    wants::{addresses, sources},
};
use crate::{
    clock,
    config::File,
    daemon::{
        aside::Aside, backend, claims::Claims, drain::Drains, events::Reports, http, moves::Mover,
        snapshot::Snapshots, tunnels::tunnels, warmup::Warmups,
    },
    dataplane::{self, Mode, Options, Program},
    health::{BackendKey, Monitor},
    http::Prepared,
    model::Model,
    neighbour::{Change, Interface, Links, Resolver},
    plan::{self, Inputs, State},
    runtime,
};

/// How long a start waits for next hops before packets are let in.
const FIRST_HOPS: Duration = Duration::from_secs(2);

impl Core {
    /// Loads the program or adopts what runs, fills the tables, and only then lets packets in.
    pub(in crate::daemon) async fn start(
        config: String,
        pins: &Path,
        state_dir: PathBuf,
        file: File,
        inherited: Option<&UnixStream>,
    ) -> Result<Self> {
        let changes = backend::load(&state_dir, &file);
        let model = changes.over(&file.model);
        let mut links = Links::connect().context("cannot open a netlink socket")?;
        let mut interfaces = Vec::new();
        for name in &model.interface.names {
            interfaces.push(links.interface(name).await?);
        }
        warn_of_port_overlap(&model);
        warn_of_real_time();
        let sources = sources(&model, interfaces.first())?;
        let tunnels = tunnels(&model, interfaces.first())?;

        let options = Options {
            limits: &model.limits,
            nat: &model.nat,
            key: model.secret.as_deref().map(plan::settings_key),
            pins: Some(pins),
        };
        let (http, http_events) = http::tier(&model, &state_dir, inherited)?;
        let prepared = http.prepare(&model)?;
        // Ways are found while the kernel verifies the programs, which keeps this thread busy for longer.
        let (resolver, next_hops) = Resolver::start().context("cannot open a netlink socket")?;
        resolver.reconcile(addresses(&model));
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
            // Of a disabled one nobody knows what its check said last: it must pass again.
            let is_down = matches!(installed.health, Health::Down | Health::Disabled);
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
            shares: HashMap::new(),
            seed: plan::seed(&key),
        };
        let aside = Aside::start(program.kernel.sessions.try_clone()?)?;
        let ring = program.kernel.take_events().context("somebody else listens for events")?;

        let (monitor, flips) = Monitor::new();
        let no_source_port = program.kernel.count(Reason::NoSourcePort)?;
        let replaces_another = program.replaces_another()?;
        let mut core = Self {
            program,
            model: Arc::new(model),
            file,
            changes,
            aside,
            is_sweeping: false,
            snapshots: Snapshots::new(state_dir.clone()),
            drains: Drains::default(),
            mover: Mover::load(&state_dir),
            state_dir,
            state,
            inputs,
            monitor,
            warmups: Warmups::default(),
            events: Reports::new(ring)?,
            http,
            http_events,
            attachments: Vec::new(),
            started: Instant::now(),
            config,
            flips,
            next_hops,
            no_source_port,
            asleep: clock::asleep(),
            unreachable: HashMap::new(),
            resolver,
            links,
            claims,
        };
        if replaces_another {
            info!(
                "an earlier run has another layout of maps: its place is taken, its open connections are lost"
            );
        }
        if core.program.adopted {
            info!("adopted {} backends and their connections from an earlier run", core.state.backends.len());
        }
        core.await_next_hops().await;
        if let Err(error) = core.go_live(&interfaces, prepared).await {
            if let Err(error) = core.give_up(replaces_another).await {
                warn!("{error:#}");
            }
            return Err(error);
        }
        // Not before: a start with a wrong file must not cost orders.
        if let Err(error) = runtime::save(&core.state_dir, &core.changes) {
            warn!("run-time changes can't be written: {error}");
        }
        core.look_at_drains();
        Ok(core)
    }

    /// What an earlier run installed goes on; nobody would look after anything else.
    async fn give_up(&mut self, replaces_another: bool) -> Result<()> {
        if self.program.adopted {
            return Ok(());
        }
        if !replaces_another {
            return self.leave().await;
        }
        // Its addresses are still in use. Where this program has an interface already, both go on.
        if self.program.replaces_another()? {
            dataplane::detach_all(&self.program)?;
        }
        Ok(())
    }

    /// Fills the tables, then lets packets in.
    async fn go_live(&mut self, interfaces: &[Interface], http: Prepared) -> Result<()> {
        let model = Arc::clone(&self.model);
        self.install(&model, self.inputs.clone())?;
        self.restore_sessions();
        self.http.follow(&model, &self.state, &self.program.kernel, http)?;
        self.program.open()?;
        for (name, interface) in model.interface.names.iter().zip(interfaces) {
            self.attach(name, interface.ifindex)?;
        }
        self.program.detach_others(&model.interface.names)?;
        self.follow(&model).await
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
}

/// Packet programs must not interrupt one another, see docs/decisions/0010.
fn warn_of_real_time() {
    if std::fs::read_to_string("/sys/kernel/realtime").is_ok_and(|text| text.trim() == "1") {
        warn!(
            "a real-time kernel (PREEMPT_RT) may confuse new connections with one another, \
             unless PREEMPT_RT_NEEDS_BH_LOCK is on"
        );
    }
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
