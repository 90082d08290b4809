//! The rows.

mod access;
mod broken;
mod checksums;
mod failure;
mod forwarding;
mod passing;
mod persistence;
mod ports;
mod pressure;
mod regressions;
mod tunnels;

use lb_common::state::Forwarding;

use super::{Family, Row, Site};

/// Both families.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
/// All ways to forward.
pub const MODES: [Forwarding; 5] =
    [Forwarding::Nat, Forwarding::NatPreserve, Forwarding::Dsr, Forwarding::Ipip, Forwarding::Gue];

/// Every row.
pub fn all() -> Vec<Row> {
    [
        forwarding::rows(),
        checksums::rows(),
        passing::rows(),
        broken::rows(),
        persistence::rows(),
        ports::rows(),
        failure::rows(),
        pressure::rows(),
        access::rows(),
        regressions::rows(),
        tunnels::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A site of every kind.
pub fn sites() -> impl Iterator<Item = Site> {
    FAMILIES.into_iter().flat_map(|family| {
        [false, true].into_iter().flat_map(move |udp| MODES.map(|mode| Site::new(family, udp, mode)))
    })
}
