//! What is counted.

use serde::Serialize;

/// Why something broke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It came to a node that didn't know it: one that it had never come to, not since that was rebooted, or not
    /// for longer than sessions may be idle.
    Node,
    /// The pool changed, and nothing is remembered that would have kept it.
    Pool,
    /// The node had known it and had had to forget, for want of room.
    Eviction,
}

/// Of connections, or of sessions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Broken {
    /// How many there were.
    pub total: u64,
    /// How many of them were broken, by cause.
    pub node: u64,
    /// See [`Cause::Pool`].
    pub pool: u64,
    /// See [`Cause::Eviction`].
    pub eviction: u64,
}

impl Broken {
    /// One broke.
    pub fn count(&mut self, cause: Cause) {
        match cause {
            Cause::Node => self.node += 1,
            Cause::Pool => self.pool += 1,
            Cause::Eviction => self.eviction += 1,
        }
    }

    /// For whatever cause.
    pub const fn broken(&self) -> u64 {
        self.node + self.pool + self.eviction
    }

    /// Of a hundred.
    pub fn percent(&self) -> f64 {
        100.0 * self.broken() as f64 / self.total.max(1) as f64
    }
}

/// What became of a population.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize)]
pub struct Tally {
    /// Connections that came to another backend while their own served.
    pub connections: Broken,
    /// Sessions of which a connection was begun with another backend while their own served.
    pub sessions: Broken,
    /// Connections whose backend died or was removed: nobody could have kept them.
    pub lost: u64,
    /// Connections of which some packet came to another node than the one before.
    pub wandered: u64,
    /// Packets, strangers' included.
    pub packets: u64,
}
