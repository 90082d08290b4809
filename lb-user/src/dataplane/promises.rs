//! What decides where a session goes, for threads beside the daemon's own task.

use std::{fmt, os::fd::AsFd as _, sync::Arc};

use anyhow::Result;
use aya::maps::{Array, IterableMap as _, Map, MapData};
use lb_common::{settings::Settings, shared::Word, state::BackendId};

use super::{Kernel, Sessions, mapped::Mapped, raw::Raw};

/// Stored sessions, the health of backends, and the places where clients are recognised: one handle for each thread.
pub struct Promises {
    /// Stored sessions.
    pub sessions: Sessions,
    /// What the packet program was loaded with.
    pub settings: Settings,
    health: Array<MapData, Raw<u32>>,
    ghosts: Arc<Mapped<Word>>,
}

impl fmt::Debug for Promises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promises").field("sessions", &self.sessions).finish_non_exhaustive()
    }
}

impl Kernel {
    /// A handle for another thread.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn promises(&self) -> Result<Promises> {
        let health = MapData::from_fd(self.health.map().fd().as_fd().try_clone_to_owned()?)?;
        Ok(Promises {
            sessions: self.sessions.try_clone()?,
            settings: self.settings,
            health: Map::Array(health).try_into()?,
            ghosts: Arc::clone(&self.ghosts),
        })
    }
}

impl Promises {
    /// An entry of `HEALTH`; 0 beyond its end.
    pub fn health_word(&self, id: BackendId) -> u32 {
        self.health.get(&id.0, 0).map_or(0, |word| word.0)
    }

    /// A word of `GHOSTS`.
    pub fn ghost(&self, index: u32) -> Option<&Word> {
        self.ghosts.get(index as usize)
    }
}
