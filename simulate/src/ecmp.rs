//! The router in front of the nodes: equal-cost multipath by a hash.

use clap::ValueEnum;
use serde::Serialize;
use siphasher::sip::SipHasher13;

/// What a node is picked by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Addresses and ports: a client's connections spread over the nodes.
    Tuple,
    /// The client's address: all of a client's connections come to one node.
    Address,
}

/// What becomes of the others when a node comes or goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Only what went to a node that goes, and the share of one that comes, goes elsewhere.
    Resilient,
    /// The hash modulo the number of nodes: nearly everything goes elsewhere.
    Modulo,
}

/// Buckets of a resilient router.
const BUCKETS: usize = 4096;

/// The router.
#[derive(Debug)]
pub struct Ecmp {
    by: By,
    kind: Kind,
    seed: u64,
    /// Nodes that get packets, in order.
    live: Vec<usize>,
    /// The node of each hash.
    buckets: Vec<usize>,
}

impl Ecmp {
    /// A router to the first `nodes` nodes.
    pub fn new(by: By, kind: Kind, nodes: usize, seed: u64) -> Self {
        let live: Vec<usize> = (0..nodes).collect();
        Self { by, kind, seed, buckets: live.iter().copied().cycle().take(BUCKETS).collect(), live }
    }

    /// The node that gets a packet.
    pub fn node(&self, client: u32, port: u16) -> usize {
        let mut tuple = [0; 6];
        tuple[..4].copy_from_slice(&client.to_be_bytes());
        if self.by == By::Tuple {
            tuple[4..].copy_from_slice(&port.to_be_bytes());
        }
        let hash = SipHasher13::new_with_keys(self.seed, 1).hash(&tuple) as usize;
        match self.kind {
            Kind::Resilient => self.buckets[hash % BUCKETS],
            Kind::Modulo => self.live[hash % self.live.len()],
        }
    }

    /// A node gets no more packets.
    pub fn leave(&mut self, node: usize) {
        self.live.retain(|&other| other != node);
        let mut heirs = self.live.iter().copied().cycle();
        for bucket in self.buckets.iter_mut().filter(|bucket| **bucket == node) {
            *bucket = heirs.next().expect("one node is left");
        }
    }

    /// A node gets packets (again): a fair share of the buckets, from those that have most.
    pub fn join(&mut self, node: usize) {
        self.live.push(node);
        self.live.sort_unstable();
        for _ in 0..BUCKETS / self.live.len() {
            let count = |node| self.buckets.iter().filter(|&&bucket| bucket == node).count();
            let most = self.live.iter().copied().max_by_key(|&node| count(node)).expect("a node");
            let bucket = self.buckets.iter_mut().find(|bucket| **bucket == most).expect("it has most");
            *bucket = node;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ecmp: &Ecmp) -> Vec<usize> {
        (0..20_000).map(|client| ecmp.node(client, 5000)).collect()
    }

    fn moved(kind: Kind, change: impl FnOnce(&mut Ecmp)) -> Vec<(usize, usize)> {
        let mut ecmp = Ecmp::new(By::Tuple, kind, 8, 7);
        let before = nodes(&ecmp);
        change(&mut ecmp);
        before.into_iter().zip(nodes(&ecmp)).filter(|(a, b)| a != b).collect()
    }

    #[test]
    fn a_resilient_router_moves_what_it_must() {
        assert!(moved(Kind::Resilient, |ecmp| ecmp.leave(3)).iter().all(|&(from, _)| from == 3));
        let gained = moved(Kind::Resilient, |ecmp| ecmp.join(8));
        assert!(gained.iter().all(|&(_, to)| to == 8));
        assert!((1_900..2_600).contains(&gained.len()), "{} of 20,000 to the ninth", gained.len());
    }

    #[test]
    fn a_modulo_router_moves_nearly_all() {
        assert!(moved(Kind::Modulo, |ecmp| ecmp.leave(3)).len() > 15_000);
    }

    #[test]
    fn by_address_all_connections_of_a_client_meet() {
        let ecmp = Ecmp::new(By::Address, Kind::Resilient, 8, 7);
        assert!((1..100).all(|port| ecmp.node(77, port) == ecmp.node(77, 0)));
    }
}
