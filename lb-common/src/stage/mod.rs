//! The stages of the decision, one a file. A stage either goes on or is done, with the reason that
//! is the packet's fate.

use crate::{
    net::{Address, Mac},
    packet::{End, Packet},
    reason::Reason,
    state::{Backend, Target},
    tables::Tables,
};

pub mod access;
pub mod connect;
pub mod flow;
pub mod fragment;
pub mod icmp;
pub mod nat;
pub mod promise;
pub mod reply;
pub mod select;
pub mod service;
pub mod session;
pub mod table;

/// Go on with a value, or done: the reason is counted and says whether to pass or drop.
pub type Step<T> = Result<T, Reason>;

/// A word, at most 63 bits of it, or why there is none: what a function that is not inlined may return.
// The payload of a `Result` is undefined in one of its variants; see `engine::Fate`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packed(pub u64);

impl Packed {
    const NONE: u64 = 1 << 63;

    /// The inverse of `from`.
    ///
    /// # Errors
    /// The packed reason.
    #[inline(always)]
    pub const fn unpack(self) -> Step<u64> {
        if self.0 & Self::NONE == 0 { Ok(self.0) } else { Err(Reason::from_index(self.0 as u32)) }
    }

    /// The inverse of `from`, for targets.
    ///
    /// # Errors
    /// The packed reason.
    #[inline(always)]
    pub fn target(self) -> Step<Target> {
        self.unpack().map(Target::from_raw)
    }
}

impl From<Reason> for Packed {
    #[inline(always)]
    fn from(reason: Reason) -> Self {
        Self(Self::NONE | reason as u64)
    }
}

impl From<Step<u64>> for Packed {
    #[inline(always)]
    fn from(step: Step<u64>) -> Self {
        match step {
            Ok(word) => Self(word),
            Err(reason) => reason.into(),
        }
    }
}

impl From<Step<Target>> for Packed {
    #[inline(always)]
    fn from(step: Step<Target>) -> Self {
        step.map(Target::raw).into()
    }
}

/// The route of a packet whose own ports don't lead there: a later fragment, or an error about another
/// packet. A target that is a reply is a [`Target::answer`].
///
/// # Errors
/// [`Reason::NotOurs`] where its connection has ended meanwhile; what keeps packets from a backend.
#[inline(always)]
pub fn along<A: Address, T: Tables>(
    packet: &Packet<A>,
    tables: &T,
    target: Target,
) -> Step<(Reason, Route<A>)> {
    if target.is_reply() {
        let backend = tables.backend(target.backend()).ok_or(Reason::NoBackend)?;
        let route = reply::along(packet, tables, target.backend(), &backend, target.index());
        let route = route.ok_or(Reason::NotOurs)?;
        return Ok((Reason::ToClient, route));
    }
    let backend = serving(tables, target)?;
    Ok((Reason::ToBackend, flow::to_backend(packet, tables, target, &backend)?))
}

/// Does this target's backend get packets through a tunnel?
#[inline(always)]
pub fn is_tunnelled<T: Tables>(tables: &T, target: Target) -> bool {
    tables.backend(target.backend()).is_some_and(|backend| backend.is_tunnelled())
}

/// The backend that a packet goes to whose own ports don't lead there.
///
/// # Errors
/// [`Reason::NoBackend`] if it is gone or down.
#[inline(always)]
pub fn serving<T: Tables>(tables: &T, target: Target) -> Step<T::Ref<'_, Backend>> {
    if !tables.health(target.backend()).serves() {
        return Err(Reason::NoBackend);
    }
    tables.backend(target.backend()).ok_or(Reason::NoBackend)
}

/// Where a packet goes and what it must say by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route<A> {
    /// Interface to leave by.
    pub ifindex: u32,
    /// Our Ethernet address on the way out.
    pub source_mac: Mac,
    /// The next hop's.
    pub target_mac: Mac,
    /// The sender from here on.
    pub source: End<A>,
    /// The receiver from here on.
    pub destination: End<A>,
    /// False if both are as they were: only the Ethernet header is rewritten.
    // A flag and not an `Option`: the payload of a `None` is undefined, and the compiler moves it
    // about through registers that the verifier then finds unset ("R2 !read_ok").
    pub rewrites_ends: bool,
}
