//! Sessions on disk, so that they outlive what the kernel holds: a reboot, a bpf file system that is gone, maps of
//! another layout.
//!
//! The maps are always newer: a snapshot is read only where a start finds none. It knows backends by their names and
//! by what packets for them are rewritten to, so that nobody inherits by a name alone, and moments by the wall clock,
//! so that time away counts. `format` says what the file looks like, `write` replaces it, `read` takes of it what is
//! intact, and `restore` decides which of its sessions still hold.

mod format;
mod moment;
mod read;
mod restore;
mod write;

#[cfg(test)]
mod tests;

use lb_common::{net::Ip, state::Backend};

pub use self::{
    moment::Moment,
    read::{Damage, ReadError, Snapshot, read},
    restore::{Restored, Room, Tally, restore},
    write::{Totals, Writer, save},
};
use crate::health::BackendKey;

/// Name of the file in the daemon's state directory.
pub const FILE: &str = "sessions.snapshot";

/// Whom sessions belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its service, or `@` and its group, and its name.
    pub key: BackendKey,
    /// What makes it the same one as before; the rest of the recipe is empty. See [`crate::plan::same_home`].
    pub recipe: Backend,
}

impl Home {
    /// What of a backend stays the same for as long as its sessions hold.
    #[must_use]
    pub fn new(key: BackendKey, recipe: &Backend) -> Self {
        let Backend { address, port, service_address, service_tag, protocol, .. } = *recipe;
        let forwarding = recipe.forwarding() as u8;
        let recipe = Backend {
            address,
            port,
            service_address,
            service_tag,
            protocol,
            forwarding,
            ..Backend::default()
        };
        Self { key, recipe }
    }
}

/// A session, as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The client key.
    pub client: Ip,
    /// Place of its backend in the table of homes.
    pub home: u32,
    /// When it began: seconds since 1970, which last until 2106.
    pub created: u32,
    /// Its last traffic, the same.
    pub seen: u32,
    /// Connections made under it.
    pub connections: u32,
}
