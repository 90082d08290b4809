//! What a history begins with: services, and what they promise.

use std::fmt;

/// Ticks that a policy speaks of are so few that histories come to their ends, and just short of them, often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnDown {
    /// The session moves.
    Repin,
    /// Another serves until its home is back.
    Lend,
    /// Its client is refused.
    Refuse,
    /// The same for so many ticks; then the session moves.
    Hold(u32),
}

/// What a service promises.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Clients have sessions; else each connection is for itself.
    pub by_client: bool,
    /// See [`OnDown`].
    pub on_down: OnDown,
    /// Sessions leave a draining backend.
    pub moves_on_drain: bool,
    /// Ticks without traffic after which a session is over.
    pub idle: u32,
    /// Ticks after which it is over at the next connection.
    pub lifetime: Option<u32>,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.by_client {
            return f.write_str("by connection");
        }
        let drain = if self.moves_on_drain { "move" } else { "keep" };
        write!(f, "by client, on_down {:?}, on_drain {drain}, idle {} ticks", self.on_down, self.idle)?;
        self.lifetime.map_or(Ok(()), |ticks| write!(f, ", lifetime {ticks} ticks"))
    }
}

/// How packets reach backends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forwarding {
    /// Both addresses are rewritten.
    Nat,
    /// The client's is kept.
    Preserve,
    /// Replies take another way.
    Dsr,
}

/// Which services there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One.
    One,
    /// Two, at one address, each with its own sessions.
    Two,
    /// Two that share their sessions.
    Group,
}

impl Shape {
    /// How many services that is.
    pub const fn services(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two | Self::Group => 2,
        }
    }
}

/// What a history begins with. Every service has the first three servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Setup {
    /// See [`Shape`].
    pub shape: Shape,
    /// See [`Forwarding`].
    pub forwarding: Forwarding,
    /// What all services promise.
    pub policy: Policy,
}

/// Servers that a service may have, by name.
pub const NAMES: u8 = 4;
/// Those that it has at first.
pub const FIRST: u8 = 3;
