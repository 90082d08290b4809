//! A file that was read again: what may change of it, and how it is brought into force.

use std::sync::Arc;

use anyhow::Result;
use tracing::warn;

use super::{Core, wants::sources};
use crate::{
    daemon::{claims::Claims, tunnels::tunnels},
    model::Model,
    plan::Inputs,
};

impl Core {
    /// Applies a model that was read from the file.
    ///
    /// # Errors
    /// What can't change while it runs; nothing was changed then.
    pub(in crate::daemon) async fn reload(&mut self, model: Model) -> Result<Vec<String>> {
        self.check_fixed(&model)?;
        let first = match model.interface.names.first() {
            Some(name) => Some(self.links.interface(name).await?),
            None => None,
        };
        let inputs = Inputs {
            sources: sources(&model, first.as_ref())?,
            answered: Claims::answered(&mut self.links, &model).await?,
            tunnels: tunnels(&model, first.as_ref())?,
            ..self.inputs.clone()
        };
        let model = Arc::new(model);
        let changes = self.install(&model, inputs)?;
        self.model = Arc::clone(&model);
        // The plan is in force; what fails now can't refuse it any more.
        if let Err(error) = self.follow(&model).await {
            warn!("{error:#}");
        }
        Ok(changes)
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
}
