//! The rows.

mod access;
mod broken;
mod checksums;
mod echo;
mod errors;
mod extensions;
mod failure;
mod floods;
mod forwarding;
mod fragments;
mod local;
mod passing;
mod persistence;
mod policies;
mod ports;
mod pressure;
mod quic;
mod quotes;
mod regressions;
mod tags;
mod tunnels;

use lb_common::{reason::Reason, state::Forwarding};

use super::{Conn, Family, Row, Site, Which};

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
        policies::rows(),
        ports::rows(),
        failure::rows(),
        floods::rows(),
        pressure::rows(),
        access::rows(),
        regressions::rows(),
        quic::rows(),
        tags::rows(),
        extensions::rows(),
        fragments::rows(),
        errors::rows(),
        quotes::rows(),
        echo::rows(),
        tunnels::rows(),
        local::rows(),
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

/// A datagram's session is stored at once, a TCP client's when it comes back.
fn on_first(site: Site) -> &'static [Reason] {
    if site.udp { &[Reason::SessionNew] } else { &[] }
}

/// The client comes back before the backend has answered.
fn on_second(site: Site) -> &'static [Reason] {
    if site.udp { &[] } else { &[Reason::SessionNew] }
}

/// The client comes back after the backend has answered.
fn on_proof(site: Site) -> &'static [Reason] {
    if site.udp { &[Reason::SessionProven] } else { &[Reason::SessionNew, Reason::SessionProven] }
}

/// A connection that is open, and quiet for the rest of the tick: none of its packets counts more than itself.
fn opened(row: Row, conn: Conn, which: Which) -> Row {
    let row = row.opens(conn, which, conn.first(), on_first(conn.site));
    if conn.site.forwarding.is_direct() {
        return row.goes(conn, which, conn.data(), on_second(conn.site));
    }
    row.returns(conn, which, conn.answer(which), &[]).goes(conn, which, conn.data(), on_proof(conn.site))
}
