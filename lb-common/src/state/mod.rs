//! What the maps hold. Every type is plain data with a layout asserted at compile time; the daemon
//! and the packet program share it byte for byte.
//!
//! [`LAYOUT_VERSION`] is part of the pin path: change it whenever a type in here, a map's kind or
//! the meaning of a field changes.

pub mod access;
pub mod address;
pub mod audit;
pub mod backend;
pub mod binding;
pub mod budget;
pub mod flow;
pub mod ghost;
pub mod handover;
pub mod load;
pub mod member;
pub mod quic;
pub mod service;
pub mod session;
pub mod stranger;
pub mod tunnel;

pub use access::{AccessKey, Admission};
pub use address::AddressBit;
pub use audit::{Audit, Cause, Event};
pub use backend::{Backend, BackendId, Forwarding, Health, Traffic};
pub use binding::{Binding, Bound, Port};
pub use budget::{Budget, Expense};
pub use flow::{Bucket, Phase, Target};
pub use ghost::Ghost;
pub use handover::{HandedOver, Handover};
pub use load::Load;
pub use member::MemberKey;
pub use quic::{CidConfig, CidOctets, ServerHome, ServerKey};
pub use service::{Policy, Service, ServiceKey};
pub use session::{Pin, Session, SessionKey};
pub use tunnel::{Meter, Tunnel};

/// Version of the layout of all pinned maps.
pub const LAYOUT_VERSION: u32 = 6;

/// Asserts a type's size and alignment at compile time.
macro_rules! layout {
    ($type:ty, size = $size:expr, align = $align:expr) => {
        const _: () = assert!(size_of::<$type>() == $size && align_of::<$type>() == $align);
    };
}
pub(crate) use layout;

/// Plain old data: a map's key or value.
///
/// # Safety
/// The type has no padding, no pointers, and every bit pattern is a value of it.
pub unsafe trait Plain: 'static {}

// SAFETY: a plain integer.
unsafe impl Plain for u32 {}
// SAFETY: a plain integer.
unsafe impl Plain for BackendId {}
// SAFETY: plain integers.
unsafe impl Plain for [u64; 3] {}
// SAFETY: plain integers.
unsafe impl Plain for [u64; 2] {}
// SAFETY: a shared integer.
unsafe impl Plain for crate::shared::Word {}
// SAFETY: plain integers.
unsafe impl Plain for crate::net::Ip {}
