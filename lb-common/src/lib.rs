//! What the kernel and the daemon must agree on: map types with proven layout, keyed hashing,
//! checksums, packet parsing and rewriting, and the decision that binds a client to a backend.
//!
//! The same code runs twice. In the kernel, `lb-ebpf` calls [`engine::process`] with BPF maps behind
//! the [`tables::Tables`] trait and the packet behind [`frame::Frame`]; on the host, the daemon's
//! `explain`, the tests and the benches call it with [`host::HostTables`] and a byte slice. The
//! answer of one can't drift from the other's.
//!
//! A packet's way through the modules:
//!
//! ```text
//! frame -> parse -> stage::reply | stage::flow -> (miss: quic, stage::connect = service, session, select, nat)
//!       -> rewrite | encapsulate -> verdict
//! ```
//!
//! [`decap`] is the same for the other end of a tunnel: a program of its own, for backends.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    expect(internal_features, reason = "compare-and-swap has no stable form on this target")
)]

pub mod checksum;
pub mod decap;
pub mod encapsulate;
pub mod engine;
pub mod explain;
pub mod frame;
pub mod hash;
pub mod header;
#[cfg(feature = "std")]
pub mod host;
pub mod net;
pub mod packet;
pub mod parse;
pub mod quic;
pub mod reason;
pub mod rewrite;
pub mod settings;
pub mod shared;
pub mod stage;
pub mod state;
pub mod tables;
pub mod time;
pub mod too_big;
