//! `MEMBERS`: which backends of different services are one server to the sessions of a group.
//!
//! A group's session names a *home*, an id that stands for (group, backend name). In each service of the group,
//! the backend of that name serves it.

use super::{BackendId, Plain, layout};

/// Key of `MEMBERS`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(C)]
pub struct MemberKey {
    /// A home, or a backend.
    id: BackendId,
    /// A service's number; 0: `id` is a backend, and its home is asked for.
    service: u32,
}
layout!(MemberKey, size = 8, align = 4);
// SAFETY: integers only, no padding.
unsafe impl Plain for MemberKey {}

impl MemberKey {
    /// Leads to the backend of the service with this number whose home is `home`.
    #[inline(always)]
    pub const fn of_home(home: BackendId, service: u32) -> Self {
        Self { id: home, service }
    }

    /// Leads to a backend's home.
    #[inline(always)]
    pub const fn of_backend(id: BackendId) -> Self {
        Self { id, service: 0 }
    }
}
