//! What happens while clients come and go.

use crate::pool::Change as Backends;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// To backends.
    Pool(Backends),
    /// The router sends a node nothing any more.
    Leave(usize),
    /// The router sends a node packets (again).
    Join(usize),
    /// A node loses what it remembers.
    Reboot(usize),
    /// Strangers begin to send: addresses that nobody has, two packets of each.
    Flood,
    /// They stop.
    Calm,
}

/// A course of events.
#[derive(Debug)]
pub struct Scenario {
    /// Short, for tables and files.
    pub name: &'static str,
    /// In a sentence.
    pub about: &'static str,
    /// When, in seconds from the beginning, in order.
    pub changes: Vec<(u64, Change)>,
}

/// Nodes at the beginning; one more may join.
pub const NODES: usize = 8;
/// Backends at the beginning.
pub const BACKENDS: usize = 20;
/// Nothing happens before: clients settle down, and nothing is counted.
pub const CALM: u64 = 300;
/// When everything ends.
pub const END: u64 = 1_200;
/// The backend that things happen to.
const ONE: usize = 3;
/// The node.
const NODE: usize = 2;

/// All of them, in the order of reports.
pub fn all() -> Vec<Scenario> {
    use Change::{Calm, Flood, Join, Leave, Pool};
    let add = (CALM, Pool(Backends::Add));
    let scenario = |name, about, changes| Scenario { name, about, changes };
    vec![
        scenario("steady", "nothing happens", vec![]),
        scenario(
            "backend-fails",
            "a backend dies, and is back after 5 minutes",
            vec![(CALM, Pool(Backends::Fail(ONE))), (600, Pool(Backends::Return(ONE)))],
        ),
        scenario("backend-drained", "a backend is drained", vec![(CALM, Pool(Backends::Drain(ONE)))]),
        scenario("backend-added", "a backend is added", vec![add]),
        scenario("backend-removed", "a backend is removed", vec![(CALM, Pool(Backends::Remove(ONE)))]),
        scenario(
            "weights",
            "a backend's weight is doubled, 5 minutes later another's is halved",
            vec![(CALM, Pool(Backends::Weigh(ONE, 200))), (600, Pool(Backends::Weigh(ONE + 4, 50)))],
        ),
        scenario("node-dies-steady", "a node dies; the pool is as it was", vec![(CALM, Leave(NODE))]),
        scenario(
            "node-dies",
            "a backend is added, 5 minutes later a node dies",
            vec![add, (600, Leave(NODE))],
        ),
        scenario(
            "node-added",
            "a backend is added, 5 minutes later a node joins",
            vec![add, (600, Join(NODES))],
        ),
        scenario(
            "rolling-restart",
            "a backend is added, then each node leaves for 10 s and comes back with its tables",
            [add].into_iter().chain(rolling(10, false)).collect(),
        ),
        scenario(
            "rolling-reboot",
            "a backend is added, then each node leaves for 20 s and comes back with nothing",
            [add].into_iter().chain(rolling(20, true)).collect(),
        ),
        scenario(
            "flood",
            "a backend is added, 1 minute later strangers flood the nodes for 5 minutes",
            vec![add, (360, Flood), (660, Calm)],
        ),
    ]
}

/// One node after the other leaves, with 30 s between two, and is back `away` seconds later.
fn rolling(away: u64, forgets: bool) -> Vec<(u64, Change)> {
    let one = |node: usize| {
        let at = CALM + 60 + 30 * node as u64;
        let reboot = forgets.then_some((at, Change::Reboot(node)));
        [(at, Change::Leave(node))].into_iter().chain(reboot).chain([(at + away, Change::Join(node))])
    };
    (0..NODES).flat_map(one).collect()
}
