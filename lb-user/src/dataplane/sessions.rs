//! Many sessions at once: all of them, from any thread, and those that are put back.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use aya::maps::IterableMap as _;
use lb_common::{
    net::Ip,
    state::{Pin, Session, SessionKey},
    tables::Store,
};

use super::{Kernel, StoredSession, batch};

/// Both maps of sessions, for a thread of its own: reading a million takes a while.
#[derive(Debug)]
pub struct SessionMaps {
    affinity: OwnedFd,
    pins: OwnedFd,
}

impl SessionMaps {
    /// Calls `each` for every stored session, those of strangers first: one that is moved meanwhile is seen twice
    /// rather than missed.
    ///
    /// # Errors
    /// A system call failed.
    pub fn for_each(&self, mut each: impl FnMut(&StoredSession)) -> Result<()> {
        for (map, store) in [(&self.affinity, Store::Affinity), (&self.pins, Store::Pins)] {
            let zero = (SessionKey { scope: 0, client: Ip::default() }, [0u64; 3]);
            batch::for_each(map.as_fd(), zero, |key, words| {
                each(&StoredSession { key: *key, pin: Pin::from_words(*words), store });
            })
            .with_context(|| format!("cannot read {store:?}"))?;
        }
        Ok(())
    }
}

impl Kernel {
    /// Handles of their own to the maps of sessions.
    ///
    /// # Errors
    /// Too many files are open.
    pub fn session_maps(&self) -> Result<SessionMaps> {
        let [affinity, pins] = [self.affinity.map(), self.pins.map()];
        let clone = |map: BorrowedFd<'_>| map.try_clone_to_owned();
        Ok(SessionMaps { affinity: clone(affinity.fd().as_fd())?, pins: clone(pins.fd().as_fd())? })
    }

    /// Stores sessions, no more than the map has room for.
    ///
    /// # Errors
    /// A system call failed; some are stored then.
    pub fn store_sessions(&mut self, store: Store, sessions: &[(SessionKey, Pin)]) -> Result<()> {
        let map = match store {
            Store::Pins => self.pins.map(),
            Store::Affinity => self.affinity.map(),
        };
        let (keys, values): (Vec<_>, Vec<_>) =
            sessions.iter().map(|&(key, pin)| (key, Session::from(pin))).unzip();
        batch::update(map.fd().as_fd(), &keys, &values).with_context(|| format!("cannot write {store:?}"))
    }
}
