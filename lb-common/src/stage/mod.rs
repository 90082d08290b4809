//! The stages of the decision, one a file. A stage either goes on or is done, with the reason that
//! is the packet's fate.

use crate::{net::Mac, packet::End, reason::Reason};

pub mod connect;
pub mod flow;
pub mod nat;
pub mod reply;
pub mod select;
pub mod service;
pub mod session;
pub mod table;

/// Go on with a value, or done: the reason is counted and says whether to pass or drop.
pub type Step<T> = Result<T, Reason>;

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
