//! Packets that open connections.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use anyhow::Result;
use lb_common::state::Forwarding;
use lb_user::model::Limits;

use super::{ENDLESS, Group, PORTS, address, many};
use crate::{
    bed::Bed,
    feed::Feed,
    floor::{Floor, Part},
    frame::{self, Segment},
    line::Line,
    run::{Action, run},
};

/// Budget, in multiples of the empty program.
const BUDGET: f64 = 15.0;

/// SYNs of new clients, which in `nat` take a source port each. v4.
pub(super) fn new_connections(
    what: &str,
    forwarding: Forwarding,
    table: Table,
    feeder: &Path,
    limits: &Limits,
) -> Result<Group> {
    // With a single backend (see `Bed::serve`) it takes many source addresses to use all port ranges.
    let addresses: Vec<_> = (0..=254).map(|last| IpAddr::V4(Ipv4Addr::new(198, 18, 0, last))).collect();
    let mut bed = Bed::load(limits, PORTS, &addresses)?;
    let (service, filler) = (address("192.0.2.1:80"), address("192.0.2.2:80"));
    // Long runs, as caches are cold at first; but each must not use up the ports.
    let (sources, times) = if forwarding == Forwarding::Nat { ((0, 255), 40_000) } else { ((0, 0), 300_000) };
    bed.serve(service, forwarding, sources)?;
    let syn = |to| frame::tcp(address("10.0.0.0:1024"), to, Segment::Syn);
    let line = Line::fed(what, syn(service)?, (ENDLESS, times), 1.0..=1.0, (&mut bed, feeder))?;
    let line = if forwarding == Forwarding::Nat { line.with_free_ports() } else { line };
    let line = match table {
        Table::Free => line.with_free_table(),
        Table::Full => {
            bed.serve(filler, Forwarding::Dsr, (0, 0))?;
            let feed = Feed::load(feeder, bed.program.xdp(), ENDLESS)?;
            run(feed.xdp()?, &syn(filler)?, 4 * limits.flows, Action::Tx)?;
            bed.crowd([limits.pins, limits.affinity])?;
            // The flow table is of its default size.
            line.within(BUDGET, many::name(many::What::Read, many::PROMISED))
        }
    };
    bed.survey()?;
    let mut lines = vec![line];
    if matches!((forwarding, table), (Forwarding::Dsr, Table::Full)) {
        // As for sessions, of which there are two maps of this size.
        let floor = Floor::load(feeder, Part::Miss, limits.pins.next_power_of_two())?;
        let (what, frame) = ("  64k: one key not found", syn(address("192.0.2.9:80"))?);
        lines.push(Line::floor(what, frame, (ENDLESS, times), &floor, (&mut bed, feeder))?);
    }
    Ok(Group { bed, lines })
}

/// State of the flow table.
#[derive(Clone, Copy)]
pub(super) enum Table {
    /// Every way holds a live connection, and both maps of sessions as many as they may.
    Full,
    /// Most ways are free.
    Free,
}
