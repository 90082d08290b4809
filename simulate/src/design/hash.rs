//! A table and no memory: what a plain hashing balancer does.

use anyhow::Result;
use lb_user::slots::Member;
use siphasher::sip::SipHasher13;

use super::{Design, HashBy, Memory, Packet};
use crate::{
    maglev,
    pool::{Number, Pool, State},
};

/// See the module.
pub struct HashOnly {
    by: HashBy,
    seed: u64,
    table: Vec<u32>,
}

impl HashOnly {
    /// Without backends.
    pub fn new(by: HashBy, seed: u64) -> Self {
        Self { by, seed, table: Vec::new() }
    }

    /// The backend of a packet by the table; `None` if there is nobody.
    pub fn owner(&self, packet: Packet) -> Option<Number> {
        let mut input = packet.client.to_be_bytes().to_vec();
        if self.by == HashBy::Tuple {
            input.extend(packet.port.to_be_bytes());
        }
        let hash = SipHasher13::new_with_keys(self.seed, 2).hash(&input);
        let owner = self.table[(hash % u64::from(maglev::SIZE)) as usize];
        (owner != u32::MAX).then_some(owner as Number)
    }
}

impl Design for HashOnly {
    fn learn(&mut self, pool: &Pool) -> Result<()> {
        let members: Vec<_> = pool
            .backends()
            .filter(|(_, backend)| backend.state == State::Up)
            .map(|(id, backend)| Member { name: &backend.name, weight: backend.weight, id: id as u32 })
            .collect();
        self.table = maglev::fill(&members, maglev::SIZE, u128::from(self.seed).to_le_bytes());
        Ok(())
    }

    fn send(&mut self, _node: usize, packet: Packet) -> Option<Number> {
        self.owner(packet)
    }

    fn reboot(&mut self, _node: usize) {}

    fn set_time(&mut self, _now: u64) {}

    fn memory(&self) -> Memory {
        Memory { connections: false, sessions: false, shared: false }
    }
}
