//! The same packets with few and with many services and backends: what they cost should not tell.

use std::{net::Ipv4Addr, path::Path};

use anyhow::Result;
use lb_common::state::Forwarding;
use lb_user::model::Limits;

use super::{ENDLESS, Group, PORTS, address, many};
use crate::{
    bed::Bed,
    frame::{self, Segment},
    line::Line,
};

/// How many of each there are.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    services: u32,
    /// Of the service that is called.
    backends: u32,
    name: &'static str,
}

/// The first is what the others are compared with.
pub(crate) const SIZES: [Size; 3] = [
    Size { services: 1, backends: 1, name: "1 service" },
    Size { services: 10_000, backends: 1, name: "10,000 services" },
    Size { services: 1, backends: 1_000, name: "1,000 backends" },
];
/// Packets of open connections.
pub(crate) const KNOWN: &str = "4k flows";
/// Packets that open one.
pub(crate) const NEW: &str = "new connection";

const SERVICE: &str = "192.0.2.1:80";
/// Connections, and packets in a run.
const OPEN: (u32, u32) = (4_096, 524_288);
/// SYNs in a run.
const SYNS: u32 = 300_000;

/// A line's.
pub(crate) fn name(what: &str, size: Size) -> String {
    format!("{what}, {}", size.name)
}

impl Size {
    fn bed(self, limits: &Limits) -> Result<Bed> {
        let Self { services, backends, .. } = self;
        let limits = Limits {
            flows: 1 << 16,
            // Each has an entry of its own and one for its address.
            services: limits.services.max(2 * services),
            backends: limits.backends.max(services + backends),
            slots: limits.slots.max(services + 2 * backends),
            ..limits.clone()
        };
        let mut bed = Bed::load(&limits, PORTS, &[])?;
        bed.serve_by(backends, address(SERVICE), Forwarding::Dsr, (0, 0))?;
        for other in 1..services {
            let other = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + other);
            bed.serve((other, 80).into(), Forwarding::Dsr, (0, 0))?;
        }
        Ok(bed)
    }
}

/// The lines of [`KNOWN`].
pub(super) fn known(size: Size, limits: &Limits, feeder: &Path) -> Result<Group> {
    let mut bed = size.bed(limits)?;
    many::open(OPEN.0, address(SERVICE), &mut bed, feeder)?;
    let frame = frame::tcp(address("10.0.0.0:1024"), address(SERVICE), Segment::Ack)?;
    let line = Line::fed(name(KNOWN, size), frame, OPEN, 0.0..=0.01, (&mut bed, feeder))?;
    Ok(Group { bed, lines: vec![line] })
}

/// The lines of [`NEW`].
pub(super) fn new(size: Size, limits: &Limits, feeder: &Path) -> Result<Group> {
    let mut bed = size.bed(limits)?;
    bed.survey()?;
    let frame = frame::tcp(address("10.0.0.0:1024"), address(SERVICE), Segment::Syn)?;
    let line = Line::fed(name(NEW, size), frame, (ENDLESS, SYNS), 1.0..=1.0, (&mut bed, feeder))?;
    Ok(Group { bed, lines: vec![line.with_free_table()] })
}
