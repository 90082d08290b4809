//! A flood from invented addresses takes nothing from clients that have proved themselves, nor from those
//! that come after it. `cargo xtask flood` runs the same with ten times the packets and the default sizes.

use lb_common::state::Forwarding;
use lb_user::model::Limits;
use limpet_tests::flood::{self, CLIENTS, Outcome, feed::object};

/// Of each kind.
const PACKETS: u32 = 2_000_000;
/// About a tenth of the default sizes, as the flood is a tenth.
const LIMITS: Limits = Limits {
    flows: 65_536,
    affinity: 8_192,
    // Room for what is forged in the meantime where that can be done: see `new_pins_per_second`.
    pins: 65_536,
    services: 16,
    access: 1024,
    backends: 15,
    slots: 64,
    nat_connections: 31_744,
    fragments: 1024,
    new_flows_per_second: 125_000,
    // Clients that can't be verified are to be proven within a tick; it favours the flood.
    new_pins_per_second: 2_500,
};

/// Where clients are verified, the flood proves nothing, and whoever comes after it is proven at once.
fn verified(outcome: &Outcome) {
    // One guess in two million passes.
    assert!(outcome.forged_pins < 10, "{outcome}");
    assert_eq!(outcome.new_proven, Some(CLIENTS), "{outcome}");
}

#[test]
fn nat() {
    let outcome = flood::run(Forwarding::Nat, &LIMITS, PACKETS, &object()).unwrap();
    assert!(outcome.nobody_lost(), "{outcome}");
    verified(&outcome);
}

#[test]
fn nat_keeping_clients() {
    let outcome = flood::run(Forwarding::NatPreserve, &LIMITS, PACKETS, &object()).unwrap();
    assert!(outcome.nobody_lost(), "{outcome}");
    verified(&outcome);
}

#[test]
fn dsr() {
    let outcome = flood::run(Forwarding::Dsr, &LIMITS, PACKETS, &object()).unwrap();
    assert!(outcome.nobody_lost(), "{outcome}");
}

/// What only the limits of a CPU hold back is not held back here.
#[test]
fn without_limits() {
    let limits = Limits { new_flows_per_second: u32::MAX, ..LIMITS };
    let outcome = flood::run(Forwarding::Nat, &limits, PACKETS, &object()).unwrap();
    assert!(outcome.nobody_lost(), "{outcome}");
    verified(&outcome);
    let outcome = flood::run(Forwarding::Dsr, &limits, PACKETS, &object()).unwrap();
    assert!(outcome.nobody_lost(), "{outcome}");
}

/// The comparison is worth something only if it can lose.
#[test]
fn by_least_recent_use_alone() {
    let outcome = flood::lru::run(LIMITS.affinity * 2, PACKETS, &object()).unwrap();
    assert_eq!(outcome.idle_lost, CLIENTS, "{outcome}");
}
