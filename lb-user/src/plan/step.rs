//! One write, or a group that belongs together.

use std::sync::Arc;

use lb_common::{
    net::Ip,
    state::{
        AccessKey, Backend, BackendId, CidConfig, Health, MemberKey, ServerHome, ServerKey, Service,
        ServiceKey, Tunnel,
    },
};

use crate::{access::AccessList, dataplane::NewBackend};

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Source addresses of rewritten connections, from index 0.
    SetSources(Vec<Ip>),
    /// What tunnelled packets are wrapped in, by outer family.
    SetTunnels([Tunnel; Tunnel::COUNT as usize]),
    /// Backends at unused ids.
    AddBackends(Vec<NewBackend>),
    /// Another next hop or other sources for a backend that stays.
    ChangeBackend {
        /// Its id.
        id: BackendId,
        /// How to reach it.
        recipe: Backend,
    },
    /// Another state.
    SetHealth {
        /// Its id.
        id: BackendId,
        /// The new state.
        health: Health,
    },
    /// An access list, under a number that no service has.
    AddList {
        /// Its number.
        number: u32,
        /// Its rules.
        list: Arc<AccessList>,
    },
    /// Access lists that no service has any more.
    RemoveLists(Vec<(u32, Arc<AccessList>)>),
    /// Masks, under a number that no service has.
    AddMasks(Vec<(AccessKey, u32)>),
    /// Masks that no service has any more.
    RemoveMasks(Vec<AccessKey>),
    /// A backend of a group's server, or its home.
    SetMember {
        /// Which.
        key: MemberKey,
        /// The backend or home.
        id: BackendId,
    },
    /// A member that its group has no more.
    RemoveMember {
        /// Which.
        key: MemberKey,
    },
    /// Figures of a service that is new.
    ResetAudit {
        /// Its number.
        service: u32,
    },
    /// A new or changed service; its slot table first, if that changed.
    PutService {
        /// Which service.
        key: ServiceKey,
        /// Its entry; `slots_base` says where the table goes.
        entry: Service,
        /// The new table; `None`: the one that is there stays.
        table: Option<Arc<[u32]>>,
    },
    /// How connection ids of one service and rotation are read.
    SetCidConfig {
        /// See [`CidConfig`].
        index: u32,
        /// How; all zero: not any more.
        config: Box<CidConfig>,
    },
    /// A server id.
    SetServer {
        /// Of which service.
        key: ServerKey,
        /// Whose it is.
        home: ServerHome,
    },
    /// A server id that nobody has any more.
    RemoveServer {
        /// Of which service.
        key: ServerKey,
    },
    /// A service that goes.
    RemoveService {
        /// Which service.
        key: ServiceKey,
    },
    /// A backend that goes; no slot points there any more.
    RemoveBackend {
        /// Its id.
        id: BackendId,
    },
}
