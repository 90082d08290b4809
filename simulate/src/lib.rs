//! Many balancer nodes behind one router, and what their clients notice when nodes and backends come and go.
//!
//! [`world::run`] plays one [`scenario`] with one [`design`] of balancer: the same clients, the same changes, the
//! same router, from one seed. Limpet's nodes are its own code: the daemon's plan, its slot tables, and the packet
//! path on the host engine. The others are small models, beside it for comparison. `docs/simulation.md` says what
//! is assumed, and what came of it.

pub mod clients;
pub mod design;
pub mod ecmp;
pub mod maglev;
pub mod plot;
pub mod pool;
pub mod report;
pub mod scenario;
pub mod tables;
pub mod tally;
pub mod world;
