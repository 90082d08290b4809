//! Many connections in turn: what memory costs.

use std::{net::SocketAddr, path::Path, thread::sleep};

use anyhow::Result;
use lb_common::state::Forwarding;
use lb_user::model::Limits;

use super::{Group, PORTS, address};
use crate::{
    bed::{Bed, TICK},
    feed::Feed,
    floor::{Floor, Part},
    frame::{self, Segment},
    line::Line,
    run::{Action, run},
};

/// Numbers of connections, and what they are called.
pub(crate) const SIZES: [(&str, u32); 4] =
    [("4k", 1 << 12), ("64k", 1 << 16), ("512k", 1 << 19), ("4M", 1 << 22)];

/// What meets the packets, in the order of the table.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// The packet program, which knows them.
    Known,
    /// The packet program, for which they are not.
    Strangers,
    /// A program that reads a line of an array.
    Read,
    /// One that writes it.
    Written,
    /// One that reads it, and waits for it.
    Waited,
}

/// A line's, of so many connections.
pub(crate) fn name(what: What, size: &str) -> String {
    match what {
        What::Known => format!("{size} flows"),
        What::Strangers => format!("  {size}: strangers"),
        What::Read => format!("  {size}: one line read"),
        What::Written => format!("  {size}: one line written"),
        What::Waited => format!("  {size}: one line waited for"),
    }
}

/// The number of which a limit is promised...
pub(super) const PROMISED: &str = "512k";
/// ...and the limit, in multiples of the empty program.
const BUDGET: f64 = 12.0;
/// Packets in one run: at least so many...
const TIMES: u32 = 1 << 19;
/// ...and this many of each connection, of which the first asks for what is done once a second, up to...
const TURNS: u32 = 4;
/// ...so many, as a run should not take seconds.
const MOST: u32 = 1 << 22;
/// Connections in a line of the flow table.
pub(super) const TO_A_LINE: u32 = 2;

/// Packets of `count` connections in turn, with what each asks for once a tick, in a table made for so many; and what a
/// line of an array of that size costs. `dsr`, v4.
pub(super) fn flows((size, count): (&str, u32), limits: &Limits, feeder: &Path) -> Result<Group> {
    let limits = Limits { flows: count, ..limits.clone() };
    let service = address("192.0.2.1:80");
    let mut bed = Bed::load(&limits, PORTS, &[])?;
    bed.serve(service, Forwarding::Dsr, (0, 0))?;
    let packet = |segment| frame::tcp(address("10.0.0.0:1024"), service, segment);
    open(count, service, &mut bed, feeder)?;
    let turns = (count, (TURNS * count).clamp(TIMES, MOST));
    // A few have found no place, and displace each other for as long as they have traffic.
    let known = name(What::Known, size);
    let known = Line::fed(known, packet(Segment::Ack)?, turns, 0.0..=0.01, (&mut bed, feeder))?;
    let known = if size == PROMISED { known.within(BUDGET, name(What::Read, size)) } else { known };
    // What no design with a table in memory gets below: strangers' packets touch a line of it or two, and no more.
    let elsewhere = || frame::tcp(address("10.0.0.0:1024"), address("192.0.2.9:80"), Segment::Ack);
    let strangers = name(What::Strangers, size);
    let strangers = Line::fed(strangers, elsewhere()?, turns, 0.0..=0.0, (&mut bed, feeder))?.not_ours();
    let mut lines = vec![known, strangers];
    for (what, part) in [(What::Read, Part::Read), (What::Written, Part::Write), (What::Waited, Part::Wait)] {
        let floor = Floor::load(feeder, part, count / TO_A_LINE)?;
        lines.push(Line::floor(name(what, size), elsewhere()?, turns, &floor, (&mut bed, feeder))?);
    }
    Ok(Group { bed, lines })
}

/// Opens `count` connections, which prove themselves.
pub(super) fn open(count: u32, service: SocketAddr, bed: &mut Bed, feeder: &Path) -> Result<()> {
    let packet = |segment| frame::tcp(address("10.0.0.0:1024"), service, segment);
    let mut feed = Feed::load(feeder, bed.program.xdp(), count)?;
    run(feed.xdp()?, &packet(Segment::Syn)?, count, Action::Tx)?;
    sleep(TICK);
    feed.rewind()?;
    run(feed.xdp()?, &packet(Segment::Ack)?, count, Action::Tx)?;
    Ok(())
}
