//! What is done to the backends and the daemon while clients come and go.

use std::{path::Path, time::Duration};

use anyhow::Result;
use lb_user::lab::{
    config::{Config, Health, Persistence, Service},
    daemon::write_configuration,
};
use rand::Rng as _;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    stage::Stage,
    standing::{BACKENDS, Rules, Trouble},
    world::SERVICES,
};

/// Backends of the file; one more is spare.
pub const REGULAR: usize = BACKENDS - 1;

/// One thing that is done, and undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// A backend's server is killed, and started again.
    Kill,
    /// A backend drains, and is enabled again.
    Drain,
    /// A backend is disabled, and enabled again.
    Disable,
    /// A backend of the file is removed, and comes back.
    Remove,
    /// The spare backend is added, and removed.
    Spare,
    /// See [`Stage::aside`].
    Aside,
}

impl Scene {
    /// All kinds.
    pub const ALL: [Self; 6] =
        [Self::Kill, Self::Drain, Self::Disable, Self::Remove, Self::Spare, Self::Aside];
}

/// The services with these weights.
#[must_use]
pub fn config(weights: [u32; REGULAR]) -> Config {
    // Only a backend that is dead fails three times in a row, however busy the machine.
    let health = Health::Http { path: "/", interval: "1s", timeout: "1s", rise: 1, fall: 3 };
    let service = |rules: Rules| {
        let persistence = Persistence {
            on_down: rules.lends.then_some("lend"),
            on_drain: rules.moves.then_some("move"),
            ..Persistence::by("client-ip")
        };
        let mut service = Service { health: health.clone(), persistence, ..rules.way.service(REGULAR as u8) };
        for (backend, weight) in service.backend.iter_mut().zip(weights) {
            backend.weight = weight;
        }
        service
    };
    Config::new(SERVICES.map(service).into())
}

impl Stage {
    /// Plays one scene, waits until all whom it concerns have come, and compares the books; see [`Stage::compare`].
    pub async fn play(&mut self, scene: Scene, limpet: &Path) -> Result<u64> {
        let backend = self.rng.random_range(0..REGULAR);
        match scene {
            Scene::Kill => {
                self.world.set(backend, Some(Trouble::Down));
                self.servers[backend] = None;
                self.wait_for(backend, "down").await?;
                self.settle(backend).await?;
                self.aside().await?;
                self.servers[backend] = Some(self.lab.start_server(limpet, backend as u8)?);
                self.over(backend).await?;
            }
            Scene::Drain => {
                self.world.set(backend, Some(Trouble::Draining));
                self.order("drain", backend, |_| Vec::new())?;
                self.settle(backend).await?;
                self.aside().await?;
                self.order("enable", backend, |_| Vec::new())?;
                self.over(backend).await?;
            }
            Scene::Disable => {
                self.cut("disable", backend, Trouble::Disabled).await?;
                self.aside().await?;
                self.order("enable", backend, |_| Vec::new())?;
                self.over(backend).await?;
            }
            Scene::Remove => {
                self.cut("remove", backend, Trouble::Removed).await?;
                self.aside().await?;
                self.order("reset", backend, |_| Vec::new())?;
                self.over(backend).await?;
            }
            Scene::Spare => {
                let at = |service: usize| {
                    let spare = SERVICES[service].way.backend(REGULAR as u8);
                    let port = SERVICES[service].way.backend_port();
                    vec![
                        "--address".to_owned(),
                        spare.address.to_string(),
                        "--port".to_owned(),
                        port.to_string(),
                    ]
                };
                self.order("add", REGULAR, at)?;
                self.over(REGULAR).await?;
                self.newcomers(self.world.count() / 20 + 8).await?;
                self.aside().await?;
                self.cut("remove", REGULAR, Trouble::Removed).await?;
            }
            Scene::Aside => self.aside().await?,
        }
        self.compare().await
    }

    /// Something that must move nobody.
    pub async fn aside(&mut self) -> Result<()> {
        match self.rng.random_range(0..4) {
            0 => {
                self.daemon.kill()?;
                sleep(Duration::from_millis(self.rng.random_range(0..1_500))).await;
                self.daemon.start_again()?;
            }
            1 => {
                let weights = std::array::from_fn(|_| self.rng.random_range(1..=4) * 50);
                write_configuration(&self.lab, &config(weights).to_string())?;
                let _done: Value = self.daemon.ask(&["reload", "--json"])?;
            }
            2 => {
                let (backend, weight) = (self.rng.random_range(0..REGULAR), self.rng.random_range(1..=300));
                // One that was removed has no weight.
                if self.world.troubles()[backend] != Some(Trouble::Removed) {
                    self.order("weight", backend, |_| vec![weight.to_string()])?;
                }
            }
            _ => self.newcomers(self.world.count() / 100 + 4).await?,
        }
        Ok(())
    }
}
