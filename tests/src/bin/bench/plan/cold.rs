//! Bursts of packets that find the caches cold, or warm.

use std::{path::Path, rc::Rc};

use anyhow::Result;
use lb_common::state::Forwarding;
use lb_user::model::Limits;

use super::{Group, PORTS, address, many};
use crate::{
    bed::Bed,
    cold::Filler,
    floor::{Floor, Part},
    frame::{self, Segment},
    line::Line,
};

/// Packets in a burst. Network drivers take at most 64 at a time.
pub(crate) const BURSTS: [u32; 4] = [1, 8, 64, 512];
/// Connections in the table.
const FLOWS: u32 = 1 << 19;

/// A line's, of bursts of `packets`.
pub(crate) fn name(what: What, packets: u32) -> String {
    match what {
        What::Warm => format!("burst of {packets}, warm"),
        What::Cold => format!("burst of {packets}, cold"),
        What::Empty => format!("  {packets}, cold: empty program"),
        What::Read => format!("  {packets}, cold: one line read"),
    }
}

/// What meets a burst, in the order of the table.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// The packet program, with all it needs in the caches.
    Warm,
    /// The packet program.
    Cold,
    /// The empty program.
    Empty,
    /// One that reads a line of an array.
    Read,
}

/// Packets of a connection each, of 512k in the table. `dsr`, v4.
pub(super) fn bursts(limits: &Limits, feeder: &Path) -> Result<Group> {
    let limits = Limits { flows: FLOWS, ..limits.clone() };
    let service = address("192.0.2.1:80");
    let mut bed = Bed::load(&limits, PORTS, &[])?;
    bed.serve(service, Forwarding::Dsr, (0, 0))?;
    many::open(FLOWS, service, &mut bed, feeder)?;
    let packet = |to| frame::tcp(address("10.0.0.0:1024"), to, Segment::Ack);
    let elsewhere = || packet(address("192.0.2.9:80"));
    let (filler, nothing) = (Rc::new(Filler::new()?), Rc::new(Filler::nothing()));
    let mut lines = Vec::new();
    for packets in BURSTS {
        let turns = (packets, packets);
        for (what, filler) in [(What::Warm, &nothing), (What::Cold, &filler)] {
            let known = name(what, packets);
            let known = Line::fed(known, packet(service)?, turns, 0.0..=0.01, (&mut bed, feeder))?;
            lines.push(known.burst(filler));
        }
        lines.push(Line::empty(name(What::Empty, packets), elsewhere()?, packets).burst(&filler));
        let floor = Floor::load(feeder, Part::Read, FLOWS / many::TO_A_LINE)?;
        let read = name(What::Read, packets);
        let read = Line::floor(read, elsewhere()?, turns, &floor, (&mut bed, feeder))?;
        lines.push(read.burst(&filler));
    }
    Ok(Group { bed, lines })
}
