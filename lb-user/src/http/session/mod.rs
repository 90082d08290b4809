//! Which backend a request goes to: who its client is, and what was promised to it.

mod carried;
mod choose;
mod desk;
mod explain;
mod identity;
mod repinned;
mod served;

pub use self::explain::{Explained, Found, Led};
pub(super) use self::{
    carried::SEPARATOR,
    choose::{Choice, Question, choose, instead, learn},
    desk::Desk,
    explain::explain,
    identity::hash,
    repinned::Repinned,
    served::{DigestKey, Served, Upstream},
};
