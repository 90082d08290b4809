//! Orders about backends: the layer over the file, from the command to the tables.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use lb_common::state::Health;
use tracing::{info, warn};

use super::core::Core;
use crate::{
    api::{self, BackendAction, BackendOrder, BackendState, Refusal, Reloaded},
    health::BackendKey,
    model::{self, Model},
    runtime::{self, Admin, Change, Changes},
};

/// What an earlier daemon left, as far as the file still has it. What can't be read is put aside: traffic is worth more.
pub(super) fn load(directory: &Path, file: &Model) -> Changes {
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
    for key in changes.fit(file) {
        warn!("run-time changes of {}/{} are forgotten: the file does not have it", key.service, key.backend);
    }
    for (key, change) in changes.iter() {
        info!("{}/{} is not as the file says: {}", key.service, key.backend, describe(change));
    }
    changes
}

impl Core {
    /// Carries out an order; refused, nothing has changed.
    pub(super) fn order(&mut self, order: &BackendOrder) -> Result<Reloaded, Refusal> {
        let backend = self.configured(order)?;
        let key = BackendKey { service: order.service.clone(), backend: order.backend.clone() };
        let file_weight = backend.weight;
        let before = self.changes.of(&key);
        let mut after = before;
        match order.action {
            BackendAction::Drain => after.admin = Admin::Draining { until: deadline(order.deadline_s)? },
            BackendAction::Disable => after.admin = Admin::Disabled,
            BackendAction::Enable => after.admin = Admin::Enabled,
            BackendAction::Weight => {
                let weight = order.weight.ok_or_else(|| Refusal::invalid("say which weight: 1 to 65535"))?;
                if !(1..=65_535).contains(&weight) {
                    return Err(Refusal::invalid(format!(
                        "a weight is 1 to 65535, not {weight}; to give a backend no new clients, drain it"
                    )));
                }
                after.weight = (weight != file_weight).then_some(weight);
            }
            BackendAction::Reset => after = Change::default(),
        }
        if after == before {
            return Ok(Reloaded { changes: Vec::new() });
        }
        let mut changes = self.changes.clone();
        changes.set(key.clone(), after);
        self.change(changes).context("the order was not carried out")?;
        let back = if before.weight.is_some() && after.weight.is_none() {
            format!(" and has weight {file_weight}")
        } else {
            String::new()
        };
        let mut said =
            vec![format!("service {}: backend {} {}{back}", key.service, key.backend, describe(&after))];
        let mut all = self.state.backends.iter().filter(|(other, _)| other.service == key.service);
        if !all.any(|(_, backend)| backend.health == Health::Up) {
            said.push(format!("service {}: no backend takes new clients now", key.service));
        }
        said.iter().for_each(|line| info!("{line}"));
        Ok(Reloaded { changes: said })
    }

    /// The backend as the file has it.
    fn configured(&self, order: &BackendOrder) -> Result<&model::Backend, Refusal> {
        let BackendOrder { service, backend, .. } = order;
        self.named(service)?;
        let found = self.file.services.iter().filter(|it| it.name == *service);
        let backends = found.flat_map(|it| &it.backends);
        backends.clone().find(|it| it.name == *backend).ok_or_else(|| {
            Refusal::not_found(format!(
                "service {service} has no backend `{backend}`; it has: {}",
                backends.map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")
            ))
        })
    }

    /// Brings other changes in force: on disk first, as what is not there would be gone with the next start.
    fn change(&mut self, changes: Changes) -> Result<()> {
        runtime::save(&self.state_dir, &changes).context("run-time changes can't be written")?;
        let before = std::mem::replace(&mut self.changes, changes);
        let model = Arc::new(self.changes.over(&self.file));
        let mut inputs = self.inputs.clone();
        inputs.admin = self.changes.admin();
        match self.install(&model, inputs) {
            Ok(_) => {
                self.model = model;
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

    /// Resolves when the next drain has come to its deadline; never, if none has one.
    pub(super) fn deadline(&self) -> impl Future<Output = ()> + use<> {
        let left = self.changes.next_deadline(SystemTime::now());
        async move {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Disables what was to be drained by now.
    pub(super) fn meet_deadlines(&mut self) {
        let mut changes = self.changes.clone();
        let met = changes.meet_deadlines(SystemTime::now());
        if met.is_empty() {
            return;
        }
        for key in met {
            info!(
                "service {}: backend {} is disabled: its drain has come to its deadline",
                key.service, key.backend
            );
        }
        if let Err(error) = self.change(changes.clone()) {
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
        let file_weight = || {
            let service = self.file.services.iter().find(|service| service.name == key.service)?;
            service.backends.iter().find(|backend| backend.name == key.backend).map(|backend| backend.weight)
        };
        let file_weight = change.weight.and_then(|_| file_weight());
        Some(api::RuntimeChange { state, deadline_left_s, file_weight })
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
    let mut words = vec![match change.admin {
        Admin::Enabled => "is enabled".to_owned(),
        Admin::Draining { until: None } => "is draining".to_owned(),
        Admin::Draining { until: Some(until) } => {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default().as_secs_f64().round();
            let left = Duration::from_secs_f64(left);
            format!("is draining, and is disabled in {}", humantime::format_duration(left))
        }
        Admin::Disabled => "is disabled".to_owned(),
    }];
    words.extend(change.weight.map(|weight| format!("has weight {weight}")));
    words.join(" and ")
}
