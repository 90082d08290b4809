//! A Maglev table, and on each node a table of connections that forgets the least recently used: what katran does, but
//! for its rarer features (server ids in TCP options and QUIC, its small global table).

use std::collections::HashMap;

use anyhow::Result;

use super::{CPUS, Design, HashBy, Kind, Memory, Packet, Size, hash::HashOnly, recent};
use crate::pool::{Number, Pool};

/// Connections of a node (`kDefaultLruSize`).
const CONNECTIONS: u32 = 8_000_000;
/// New connections that a core stores in a second; beyond, it stores none (`MAX_CONN_RATE`).
const NEW_PER_SECOND: u32 = 125_000;

/// A node's table.
#[derive(Default)]
struct Table {
    /// The backend, and the time of the last packet.
    connections: HashMap<(u32, u16), (Number, u64)>,
    /// New connections in this second, of which it is.
    stored: (u32, u64),
}

/// See the module.
pub struct Katran {
    table: HashOnly,
    nodes: Vec<Table>,
    limit: usize,
    per_second: u32,
    now: u64,
}

impl Katran {
    /// Without backends.
    pub fn new(by: HashBy, size: &Size) -> Self {
        Self {
            table: HashOnly::new(by, size.seed),
            nodes: (0..size.nodes).map(|_| Table::default()).collect(),
            limit: size.scaled(CONNECTIONS) as usize,
            per_second: size.scaled(NEW_PER_SECOND * CPUS),
            now: 0,
        }
    }
}

impl Design for Katran {
    fn learn(&mut self, pool: &Pool) -> Result<()> {
        self.table.learn(pool)
    }

    fn send(&mut self, node: usize, packet: Packet) -> Option<Number> {
        let table = &mut self.nodes[node];
        let key = (packet.client, packet.port);
        // A SYN is never looked up.
        if packet.kind != Kind::Open
            && let Some((backend, used)) = table.connections.get_mut(&key)
        {
            *used = self.now;
            return Some(*backend);
        }
        let backend = self.table.owner(packet)?;
        let second = self.now / 1000;
        if table.stored.1 != second {
            table.stored = (0, second);
        }
        table.stored.0 += 1;
        if table.stored.0 <= self.per_second {
            table.connections.insert(key, (backend, self.now));
            recent::evict(&mut table.connections, self.limit, |&key, &(_, used)| (used, key));
        }
        Some(backend)
    }

    fn reboot(&mut self, node: usize) {
        self.nodes[node] = Table::default();
    }

    fn set_time(&mut self, now: u64) {
        self.now = now;
    }

    fn memory(&self) -> Memory {
        Memory { connections: true, sessions: false, shared: false }
    }
}
