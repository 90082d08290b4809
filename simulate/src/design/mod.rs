//! Kinds of balancer.

mod hash;
mod katran;
mod limpet;
mod recent;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use self::{hash::HashOnly, katran::Katran, limpet::Limpet};
use crate::pool::{Number, Pool};

/// A kind of balancer, on all nodes.
pub trait Design {
    /// The pool is another from now on, and all nodes know.
    ///
    /// # Errors
    /// The pool can't be configured.
    fn learn(&mut self, pool: &Pool) -> Result<()>;

    /// Where a node sends a packet; `None`: nowhere.
    fn send(&mut self, node: usize, packet: Packet) -> Option<Number>;

    /// A node loses what it remembers.
    fn reboot(&mut self, node: usize);

    /// So late is it, in milliseconds from the beginning. Never earlier than before.
    fn set_time(&mut self, now: u64);

    /// What a daemon does now and then.
    fn sweep(&mut self) {}

    /// What it remembers.
    fn memory(&self) -> Memory;
}

/// What a kind of balancer remembers.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Where connections go.
    pub connections: bool,
    /// Where clients belong.
    pub sessions: bool,
    /// A session is known to all nodes as soon as it is known to one.
    pub shared: bool,
}

/// What a packet does to its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Begins it (SYN).
    Open,
    /// Goes on with it (ACK).
    Talk,
    /// Ends it (FIN).
    End,
}

/// A client's packet to the service.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Its address.
    pub client: u32,
    /// Its port.
    pub port: u16,
    /// What it does.
    pub kind: Kind,
}

/// What the two without sessions hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HashBy {
    /// The client's address: the best that can be done for sessions without storing them.
    Address,
    /// Addresses and ports.
    Tuple,
}

/// Which kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// A Maglev table and no memory.
    Hash,
    /// A Maglev table, and a table of connections on each node.
    Katran,
    /// Connections and sessions on each node.
    Limpet,
    /// The same, with one table of sessions for all nodes.
    LimpetShared,
}

impl Which {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Hash, Self::Katran, Self::Limpet, Self::LimpetShared];

    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash only",
            Self::Katran => "katran-like",
            Self::Limpet => "Limpet",
            Self::LimpetShared => "Limpet, sessions shared",
        }
    }

    /// One of this kind.
    ///
    /// # Errors
    /// Limpet's configuration is refused.
    pub fn build(self, size: &Size, hash_by: HashBy, pool: &Pool) -> Result<Box<dyn Design>> {
        let mut design: Box<dyn Design> = match self {
            Self::Hash => Box::new(HashOnly::new(hash_by, size.seed)),
            Self::Katran => Box::new(Katran::new(hash_by, size)),
            Self::Limpet => Box::new(Limpet::new(size, false)?),
            Self::LimpetShared => Box::new(Limpet::new(size, true)?),
        };
        design.learn(pool)?;
        Ok(design)
    }
}

/// Limpet's `idle_timeout`: pauses within a session are shorter.
pub const IDLE_MINUTES: u64 = 10;

/// How large everything is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes that there are or will be.
    pub nodes: usize,
    /// The part of default table sizes and rates that nodes have here: as small as the population is beside the one
    /// that it stands for.
    pub scale: f64,
    /// Of every keyed hash.
    pub seed: u64,
}

/// CPUs of a node: budgets are each CPU's own.
pub const CPUS: u32 = 4;

impl Size {
    /// A default of `full`, scaled.
    pub fn scaled(&self, full: u32) -> u32 {
        (f64::from(full) * self.scale).ceil() as u32
    }
}
