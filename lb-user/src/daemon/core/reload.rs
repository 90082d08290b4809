//! A file that was read again: what may change of it, and how it is brought into force.

use std::sync::Arc;

use anyhow::Result;
use tracing::warn;

use super::{Core, wants::sources};
use crate::{
    config::File,
    daemon::{backend, claims::Claims, tunnels::tunnels},
    model::Model,
    plan::Inputs,
    runtime::{self, Changes},
};

/// What a file asks for.
pub(in crate::daemon) struct Wanted {
    file: File,
    changes: Changes,
    /// Which run-time changes it leaves no room for.
    forgets: Vec<String>,
    /// What is to be in force.
    pub(in crate::daemon) model: Arc<Model>,
    pub(in crate::daemon) inputs: Inputs,
}

impl Core {
    /// What a file asks for, with the run-time changes that it leaves room for.
    ///
    /// # Errors
    /// What can't change while it runs.
    pub(in crate::daemon) async fn prepare(&mut self, file: File) -> Result<Wanted> {
        let mut changes = self.changes.clone();
        let forgets = backend::fit(&mut changes, &file);
        let model = changes.over(&file.model);
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
        Ok(Wanted { file, changes, forgets, model: Arc::new(model), inputs })
    }

    /// Applies what was read from the file.
    ///
    /// # Errors
    /// What can't change while it runs; nothing was changed then.
    pub(in crate::daemon) async fn reload(&mut self, file: File) -> Result<Vec<String>> {
        let Wanted { file, changes, forgets, model, inputs } = self.prepare(file).await?;
        let http = self.prepare_http(&model)?;
        let mut said = self.install(&model, inputs)?;
        let is_other = changes != self.changes;
        self.model = Arc::clone(&model);
        (self.file, self.changes) = (file, changes);
        self.look_at_drains();
        // A service that chooses by load from now on must know it.
        self.sweep_sessions();
        said.extend(forgets);
        if is_other && let Err(error) = runtime::save(&self.state_dir, &self.changes) {
            warn!("cannot forget run-time changes that the file leaves no room for: {error}");
        }
        // The plan is in force; what fails now can't refuse it any more.
        if let Err(error) = self.http.follow(&model, &self.state, &self.program.kernel, http) {
            warn!("{error:#}");
        }
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
             daemon that runs with --detach-on-exit, which ends its connections and keeps its sessions, and start \
             it again. Nothing was changed, what runs goes on",
            differ.join(", ")
        );
        Ok(())
    }
}
