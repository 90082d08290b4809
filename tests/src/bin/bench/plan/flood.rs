//! Packets of open connections while a flood goes by: what they cost should not tell.

use std::path::Path;

use anyhow::Result;
use lb_common::state::Forwarding;
use lb_user::model::Limits;

use super::{ENDLESS, Group, PORTS, address, many};
use crate::{
    bed::Bed,
    feed::Feed,
    frame::{self, Segment},
    line::Line,
    run::{Action, run},
};

/// Connections, and packets in a run: few of each, as only the first ones meet what the flood has done to the caches.
const OPEN: (u32, u32) = (4_096, 4 * 4_096);
/// SYNs before each run.
const BURST: u32 = 10_000;

/// A line's.
pub(crate) fn name(amid: bool) -> String {
    format!("4k flows, {}", if amid { "amid a flood" } else { "no flood" })
}

/// Connections in a table of the default size. In a flood, strangers hold every other way of it, and go on coming: each
/// tries to displace somebody.
pub(super) fn known(amid: bool, limits: &Limits, feeder: &Path) -> Result<Group> {
    let (service, flooded) = (address("192.0.2.1:80"), address("192.0.2.2:80"));
    let mut bed = Bed::load(limits, PORTS, &[])?;
    bed.serve(service, Forwarding::Dsr, (0, 0))?;
    bed.serve(flooded, Forwarding::Dsr, (0, 0))?;
    many::open(OPEN.0, service, &mut bed, feeder)?;
    let packet = |to, segment| frame::tcp(address("10.0.0.0:1024"), to, segment);
    // None may lose its place.
    let none = 0.0..=0.0;
    let line = Line::fed(name(amid), packet(service, Segment::Ack)?, OPEN, none, (&mut bed, feeder))?;
    if !amid {
        return Ok(Group { bed, lines: vec![line] });
    }
    let (feed, syn) = (Feed::load(feeder, bed.program.xdp(), ENDLESS)?, packet(flooded, Segment::Syn)?);
    run(feed.xdp()?, &syn, 4 * limits.flows, Action::Tx)?;
    Ok(Group { bed, lines: vec![line.amid(feed, syn, BURST)] })
}
