//! Orders about backends: the layer over the file, from the command to the tables.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result};
use lb_common::state::Health;
use tracing::{info, warn};

use super::core::Core;
use crate::{
    api::{self, BackendAction, BackendOrder, BackendState, Refusal, Reloaded},
    config::{File, defaults::WEIGHT as ADDED_WEIGHT},
    health::BackendKey,
    runtime::{self, Added, Admin, Change, Changes},
};

/// What an earlier daemon left, as far as the file still has it. What can't be read is put aside: traffic is worth more.
pub(super) fn load(directory: &Path, file: &File) -> Changes {
    let mut changes = runtime::load(directory).unwrap_or_else(|error| {
        let aside = error.path.with_extension("json.broken");
        let kept = std::fs::rename(&error.path, &aside);
        let place = if kept.is_ok() { aside } else { error.path.clone() };
        warn!(
            "run-time changes of backends are lost: {error}. All backends are as the configuration file says; \
             what was found is in {}",
            place.display()
        );
        Changes::default()
    });
    fit(&mut changes, file).iter().for_each(|line| warn!("{line}"));
    for (key, change) in changes.iter() {
        info!("{}/{} is not as the file says: {}", key.service, key.backend, describe(change));
    }
    changes
}

/// Forgets what the file leaves no room for, and says so.
pub(super) fn fit(changes: &mut Changes, file: &File) -> Vec<String> {
    let say = |(key, why): (BackendKey, String)| {
        format!("run-time changes of {}/{} are forgotten: {why}", key.service, key.backend)
    };
    changes.fit(file).into_iter().map(say).collect()
}

impl Core {
    /// Carries out an order; refused, nothing has changed.
    pub(super) async fn order(&mut self, order: &BackendOrder) -> Result<Reloaded, Refusal> {
        self.named(&order.service)?;
        let key = BackendKey::new(&order.service, &order.backend);
        let before = self.changes.of(&key);
        let mut after = before;
        // What `reset` goes back to.
        let mut own_weight = None;
        if order.action == BackendAction::Add {
            after = self.addition(&key, order)?;
        } else {
            own_weight = Some(self.known(&key, before)?);
        }
        if before.removed && !matches!(order.action, BackendAction::Reset | BackendAction::Remove) {
            return Err(Refusal::invalid(format!(
                "{}/{} was removed at run time: `limpet backend reset` brings it back",
                key.service, key.backend
            )));
        }
        match order.action {
            BackendAction::Add => {}
            BackendAction::Remove if before.added.is_some() => after = Change::default(),
            BackendAction::Remove => after = Change { removed: true, ..Change::default() },
            BackendAction::Drain => {
                let usual = || self.named(&order.service).ok()?.persistence.drain_deadline;
                let seconds = order.deadline_s.or_else(|| usual().map(|time| time.as_secs()));
                after.admin = Admin::Draining { until: deadline(seconds)? };
            }
            BackendAction::Disable => after.admin = Admin::Disabled,
            BackendAction::Enable => after.admin = Admin::Enabled,
            BackendAction::Weight => {
                let weight = order.weight.ok_or_else(|| Refusal::invalid("say which weight: 1 to 65535"))?;
                if !(1..=65_535).contains(&weight) {
                    return Err(Refusal::invalid(format!(
                        "a weight is 1 to 65535, not {weight}; to give a backend no new clients, drain it"
                    )));
                }
                after.weight = (Some(weight) != own_weight).then_some(weight);
            }
            BackendAction::Reset => after = Change::default(),
        }
        if after == before {
            return Ok(Reloaded { changes: Vec::new() });
        }
        let mut changes = self.changes.clone();
        changes.set(key.clone(), after);
        if changes.over(&self.file.model).services.iter().any(|service| service.backends.is_empty()) {
            return Err(Refusal::invalid(format!(
                "{} is the only backend of service {}: disable it, or remove the service from the file",
                key.backend, key.service
            )));
        }
        let changed = self.change(changes).await;
        changed.context("the order was not carried out")?;
        let what = match (before, after) {
            (Change { added: Some(_), .. }, Change { added: None, .. }) => "is removed".to_owned(),
            (Change { removed: true, .. }, _) => "is back".to_owned(),
            (Change { weight: Some(_), .. }, Change { weight: None, .. }) => {
                format!("{} and has weight {}", describe(&after), own_weight.unwrap_or_default())
            }
            _ => describe(&after),
        };
        let mut said = vec![format!("service {}: backend {} {what}", key.service, key.backend)];
        let mut all = self.state.backends.iter().filter(|(other, _)| other.service == key.service);
        if !all.any(|(_, backend)| backend.health == Health::Up) {
            said.push(format!("service {}: no backend takes new clients now", key.service));
        }
        said.iter().for_each(|line| info!("{line}"));
        Ok(Reloaded { changes: said })
    }

    /// The weight that a backend has without orders about it.
    fn known(&self, key: &BackendKey, change: Change) -> Result<u32, Refusal> {
        if let Some(weight) = self.own_weight(key, change) {
            return Ok(weight);
        }
        let services = self.model.services.iter().filter(|it| it.name == key.service);
        let backends = services.flat_map(|it| &it.backends).map(|it| it.name.as_str());
        Err(Refusal::not_found(format!(
            "service {} has no backend `{}`; it has: {}",
            key.service,
            key.backend,
            backends.collect::<Vec<_>>().join(", ")
        )))
    }

    fn own_weight(&self, key: &BackendKey, change: Change) -> Option<u32> {
        let service = self.file.model.services.iter().find(|it| it.name == key.service)?;
        let own = service.backends.iter().find(|it| it.name == key.backend).map(|it| it.weight);
        own.or(change.added.map(|added| added.weight))
    }

    /// A backend that the file does not have, judged by the file's rules.
    fn addition(&self, key: &BackendKey, order: &BackendOrder) -> Result<Change, Refusal> {
        let address = order.address.ok_or_else(|| Refusal::invalid("say where it is: an address"))?;
        let weight = order.weight.unwrap_or(ADDED_WEIGHT);
        let added = Added { address, port: order.port, weight };
        let before = self.changes.of(key);
        match before.added {
            Some(known) if known == added => return Ok(before),
            Some(_) => {
                return Err(Refusal::invalid(format!(
                    "{}/{} was added already, and otherwise: remove it first",
                    key.service, key.backend
                )));
            }
            None => {}
        }
        let after = Change { added: Some(added), ..Change::default() };
        let mut changes = self.changes.clone();
        changes.set(key.clone(), after);
        runtime::admits(&self.file, &key.service, &changes.additions()).map_err(|why| {
            Refusal::invalid(format!("{}/{} can't be added: {why}", key.service, key.backend))
        })?;
        Ok(after)
    }

    /// Brings other changes in force: on disk first, as what is not there would be gone with the next start.
    async fn change(&mut self, changes: Changes) -> Result<()> {
        runtime::save(&self.state_dir, &changes).context("run-time changes can't be written")?;
        let before = std::mem::replace(&mut self.changes, changes);
        let model = Arc::new(self.changes.over(&self.file.model));
        let mut inputs = self.inputs.clone();
        inputs.admin = self.changes.admin();
        match self.install(&model, inputs) {
            Ok(_) => {
                self.model = Arc::clone(&model);
                self.look_at_drains();
                if let Err(error) = self.follow(&model).await {
                    warn!("{error:#}");
                }
                Ok(())
            }
            Err(error) => {
                self.changes = before;
                if let Err(error) = runtime::save(&self.state_dir, &self.changes) {
                    warn!("a refused order may come back at the next start: {error}");
                }
                Err(error)
            }
        }
    }

    /// When the next drain comes to its deadline; `None` if none has one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let left = self.changes.next_deadline(SystemTime::now())?;
        Instant::now().checked_add(left)
    }

    /// Disables what was to be drained by now.
    pub(super) async fn meet_deadlines(&mut self) {
        let mut changes = self.changes.clone();
        let met = changes.meet_deadlines(SystemTime::now());
        if met.is_empty() {
            return;
        }
        self.cut_drains(&met);
        for key in met {
            info!(
                "service {}: backend {} is disabled: its drain has come to its deadline",
                key.service, key.backend
            );
        }
        if let Err(error) = self.change(changes.clone()).await {
            warn!("this holds until the next start, where it is met again: {error:#}");
            self.changes = changes;
            self.inputs.admin = self.changes.admin();
            self.replan();
        }
    }

    /// What of a backend is not as the file says.
    pub(super) fn runtime_change(&self, key: &BackendKey) -> Option<api::RuntimeChange> {
        let change = self.changes.of(key);
        if change == Change::default() {
            return None;
        }
        let left = |until: SystemTime| until.duration_since(SystemTime::now()).unwrap_or_default().as_secs();
        let (state, deadline_left_s) = match change.admin {
            Admin::Enabled => (None, None),
            Admin::Draining { until } => (Some(BackendState::Draining), until.map(left)),
            Admin::Disabled => (Some(BackendState::Disabled), None),
        };
        let file_weight = change.weight.and_then(|_| self.own_weight(key, change));
        let added = change.added.is_some();
        Some(api::RuntimeChange { state, deadline_left_s, file_weight, added })
    }
}

fn deadline(seconds: Option<u64>) -> Result<Option<SystemTime>, Refusal> {
    let Some(seconds) = seconds else { return Ok(None) };
    if seconds == 0 {
        return Err(Refusal::invalid(
            "a deadline is 1 s at least; to give a backend nothing at once, disable it",
        ));
    }
    let until = SystemTime::now().checked_add(Duration::from_secs(seconds));
    until.map(Some).ok_or_else(|| Refusal::invalid(format!("a deadline in {seconds} s is beyond all clocks")))
}

fn describe(change: &Change) -> String {
    if change.removed {
        return "is removed".to_owned();
    }
    let mut words = Vec::new();
    if let Some(Added { address, weight, .. }) = change.added {
        words.push(format!("is added at {address} with weight {weight}"));
    }
    words.extend((words.is_empty() || change.admin != Admin::Enabled).then(|| match change.admin {
        Admin::Enabled => "is enabled".to_owned(),
        Admin::Draining { until: None } => "is draining".to_owned(),
        Admin::Draining { until: Some(until) } => {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default().as_secs_f64().round();
            let left = Duration::from_secs_f64(left);
            format!("is draining, and is disabled in {}", humantime::format_duration(left))
        }
        Admin::Disabled => "is disabled".to_owned(),
    }));
    words.extend(change.weight.map(|weight| format!("has weight {weight}")));
    words.join(" and ")
}
