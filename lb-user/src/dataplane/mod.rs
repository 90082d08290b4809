//! The packet program and its maps, seen from the daemon.
//!
//! [`Kernel`] is the real thing. [`Dataplane`] is what applying a plan needs of it, so that the same
//! code runs against [`lb_common::host::HostTables`] in tests.

mod addresses;
mod attach;
mod batch;
mod decap;
mod former;
mod grace;
mod kernel;
mod load;
mod log;
mod mapped;
mod memory;
mod name;
mod pins;
mod ports;
mod promises;
mod raw;
mod read;
mod scan;
mod sessions;
mod specs;
mod view;
mod write;

pub use attach::{Attached, Mode, PassGuard, attach, attach_pass, detach_all};
pub use decap::Decap;
pub use former::Former;
pub use kernel::Kernel;
pub use load::{LoadError, Options, Program};
pub use name::{Name, NewBackend};
pub use promises::Promises;
pub use read::{Figures, StoredSession, plain};
pub use scan::{FlowCounts, LIVE_TICKS};
pub use sessions::{Rehomed, Sessions};
pub use specs::{Geometry, MOST_MASKS};
pub use view::View;

use std::sync::Arc;

use anyhow::Result;
use lb_common::{
    net::Ip,
    state::{
        AccessKey, Backend, BackendId, CidConfig, Health, MemberKey, ServerHome, ServerKey, Service,
        ServiceKey, Tunnel,
    },
};

use crate::access::AccessList;

/// Writes to the tables. Each call takes effect at once for packets; their order is the caller's
/// responsibility (see [`crate::plan`]).
pub trait Dataplane {
    /// Adds backends at ids that nobody has. Their figures begin at zero.
    ///
    /// # Errors
    /// An id is beyond the table, or a system call failed; some may be there then.
    fn add_backends(&mut self, new: &[NewBackend]) -> Result<()>;

    /// Replaces a backend's recipe. A new generation must be written while the backend is
    /// [`Health::Absent`], as the entry is not replaced in one go.
    ///
    /// # Errors
    /// The id is beyond the table, or the system call failed.
    fn set_backend(&mut self, id: BackendId, backend: &Backend) -> Result<()>;

    /// Fails a backend over, or brings it back: takes effect with the next packet.
    ///
    /// # Errors
    /// As above.
    fn set_health(&mut self, id: BackendId, health: Health) -> Result<()>;

    /// Writes slots from `base` on. They must be out of use: see [`crate::plan::ranges`].
    ///
    /// # Errors
    /// The range is beyond the table, or a system call failed.
    fn set_slots(&mut self, base: u32, slots: &[u32]) -> Result<()>;

    /// Adds or replaces a service; packets see the old or the new one, never a mixture.
    ///
    /// # Errors
    /// The table is full, or the system call failed.
    fn set_service(&mut self, key: &ServiceKey, service: &Service) -> Result<()>;

    /// Removes a service. One that is not there is no error.
    ///
    /// # Errors
    /// The system call failed.
    fn remove_service(&mut self, key: &ServiceKey) -> Result<()>;

    /// Writes an access list under a number that no service has.
    ///
    /// # Errors
    /// The table is full, or the system call failed; a part of the list may be written then.
    fn add_list(&mut self, number: u32, list: &AccessList) -> Result<()>;

    /// Removes access lists that no service has any more, once no packet is under way that found one in
    /// its service.
    ///
    /// # Errors
    /// The system call failed; a part of a list may be left then.
    fn remove_lists(&mut self, lists: &[(u32, Arc<AccessList>)]) -> Result<()>;

    /// Writes a list of masks under a number that no service has.
    ///
    /// # Errors
    /// The table is full, or the system call failed; a part of the list may be written then.
    fn add_masks(&mut self, masks: &[(AccessKey, u32)]) -> Result<()>;

    /// Removes a list of masks that no service has any more, once no packet is under way that found it in its
    /// service.
    ///
    /// # Errors
    /// The system call failed; a part of the list may be left then.
    fn remove_masks(&mut self, masks: &[AccessKey]) -> Result<()>;

    /// Says which backends are one server to a group.
    ///
    /// # Errors
    /// The table is full, or the system call failed.
    fn set_member(&mut self, key: &MemberKey, id: BackendId) -> Result<()>;

    /// Removes what was said of a server of a group. What is not there is no error.
    ///
    /// # Errors
    /// The system call failed.
    fn remove_member(&mut self, key: &MemberKey) -> Result<()>;

    /// Sets the figures of a service number to zero.
    ///
    /// # Errors
    /// The number is beyond the table, or the system call failed.
    fn reset_audit(&mut self, service: u32) -> Result<()>;

    /// How connection ids are read; see [`CidConfig`] for the index. Not written in one go: a packet in
    /// between has an id that names no server.
    ///
    /// # Errors
    /// The index is beyond the table, or the system call failed.
    fn set_cid_config(&mut self, index: u32, config: &CidConfig) -> Result<()>;

    /// Whose a server id is.
    ///
    /// # Errors
    /// The table is full, or the system call failed.
    fn set_server(&mut self, key: &ServerKey, home: ServerHome) -> Result<()>;

    /// Removes a server id. One that is not there is no error.
    ///
    /// # Errors
    /// The system call failed.
    fn remove_server(&mut self, key: &ServerKey) -> Result<()>;

    /// Writes the source addresses of rewritten connections from index 0 on.
    ///
    /// # Errors
    /// More than 256, or a system call failed.
    fn set_sources(&mut self, sources: &[Ip]) -> Result<()>;

    /// Replaces what tunnelled packets are wrapped in, by outer family. A packet in between may get parts of
    /// both.
    ///
    /// # Errors
    /// A system call failed.
    fn set_tunnels(&mut self, tunnels: &[Tunnel; Tunnel::COUNT as usize]) -> Result<()>;
}
