//! What the end-to-end tests share: a lab with the real daemon and real servers in it, and real clients.
//!
//! Needs root. The binary under test is `LIMPET_BIN`, or what the workspace built last.

pub mod bed;
pub mod bereaved;
pub mod budget;
pub mod cpu;
pub mod decap;
pub mod flood;
pub mod http;
pub mod live;
pub mod long;
pub mod many;
pub mod memory;
pub mod middle;
pub mod packets;
pub mod page;
pub mod promises;
pub mod quic;
pub mod raw;
pub mod stop;
pub mod tagger;
pub mod transfer;
pub mod udp;
pub mod wrk;

pub use bed::{Bed, binary};
