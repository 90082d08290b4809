//! Packets of one connection each: through each family and mode, and packets that are not ours.

use std::path::Path;

use anyhow::Result;
use lb_common::{reason::Reason, state::Forwarding};
use lb_user::model::Limits;

use super::{Group, PORTS, address};
use crate::{
    bed::{Bed, Connection},
    floor::{Floor, Part},
    frame::{self, Segment},
    line::Line,
};

// Lines that others are compared with.
pub(crate) const DSR_V4: &str = "dsr v4";
pub(crate) const NOT_OURS_V4: &str = "not ours, v4";
const PARSED: &str = "  headers read";
pub(crate) const READ: &str = "  and one line read";
pub(crate) const WRITTEN: &str = "  and one line written";

// Budgets, in multiples of the empty program.
const NOT_OURS: f64 = 3.0;
const DSR: f64 = 2.5;
const NAT: f64 = 4.0;
const TUNNEL: f64 = 5.0;

/// Packets of one connection, and packets that are not ours.
///
/// The range of source ports has a single port, which is the clients' own, and the source addresses
/// are the clients' own: so each packet is rewritten into itself (see [`Bed::serve`]).
pub(super) fn one_flow(limits: &Limits, feeder: &Path) -> Result<Group> {
    const PORT: u16 = 20_000;
    let (v4, v6) = (address("198.51.100.7:20000"), address("[2001:db8:7::7]:20000"));
    // Without rewriting of the source, replies go to a port that is not of the range.
    let (kept_v4, kept_v6) = (address("198.51.100.7:40000"), address("[2001:db8:7::7]:40000"));
    let limits = Limits { nat_connections: 1024, ..limits.clone() };
    let mut bed = Bed::load(&limits, (PORT, PORT), &[v4.ip(), v6.ip()])?;

    let services = [
        (DSR_V4, kept_v4, address("192.0.2.1:80"), Forwarding::Dsr),
        ("dsr v6", kept_v6, address("[2001:db8::1]:80"), Forwarding::Dsr),
        ("nat v4", v4, address("192.0.2.2:80"), Forwarding::Nat),
        ("nat v6", v6, address("[2001:db8::2]:80"), Forwarding::Nat),
        ("nat v4, client kept", kept_v4, address("192.0.2.3:80"), Forwarding::NatPreserve),
        ("nat v6, client kept", kept_v6, address("[2001:db8::3]:80"), Forwarding::NatPreserve),
    ];
    let replies =
        ["", "", "nat v4 reply", "nat v6 reply", "nat v4 reply, client kept", "nat v6 reply, client kept"];
    let mut lines = Vec::new();
    let strangers = [
        (NOT_OURS_V4, kept_v4, address("192.0.2.9:80")),
        ("not ours, v6", kept_v6, address("[2001:db8::9]:80")),
        // As the host's own connections might have.
        ("not ours, v4, to a port of nat", kept_v4, address("192.0.2.9:20000")),
    ];
    for (what, from, to) in strangers {
        let line = Line::same(what, frame::tcp(from, to, Segment::Ack)?, Reason::NotOurs);
        lines.push(line.within(NOT_OURS, PARSED));
    }
    let mut connections = Vec::new();
    for ((what, client, service, forwarding), reply) in services.into_iter().zip(replies) {
        let rewrites = forwarding != Forwarding::Dsr;
        let sources = if forwarding == Forwarding::Nat { (u8::from(client.is_ipv6()), 1) } else { (0, 0) };
        bed.serve(service, forwarding, sources)?;
        connections.push(Connection { client, service, replies: rewrites });
        let budget = if rewrites { NAT } else { DSR };
        let line = Line::same(what, frame::tcp(client, service, Segment::Ack)?, Reason::ToBackend);
        lines.push(line.within(budget, READ));
        if rewrites {
            let line = Line::same(reply, frame::tcp(service, client, Segment::Ack)?, Reason::ToClient);
            lines.push(line.within(NAT, READ));
        }
    }
    bed.establish(&connections)?;
    for (what, part) in [
        (PARSED, Part::Parse),
        ("  and one key looked up", Part::Hash),
        (READ, Part::Read),
        (WRITTEN, Part::Write),
    ] {
        let frame = frame::tcp(kept_v4, address("192.0.2.9:80"), Segment::Ack)?;
        let floor = Floor::load(feeder, part, 1)?;
        lines.push(Line::floor(what, frame, (1, 300_000), &floor, (&mut bed, feeder))?);
    }
    Ok(Group { bed, lines })
}

/// Packets of one connection each, through tunnels.
pub(super) fn tunnels(limits: &Limits, feeder: &Path) -> Result<Group> {
    let (v4, v6) = (address("198.51.100.7:40000"), address("[2001:db8:7::7]:40000"));
    let services = [
        ("ipip v4", v4, address("192.0.2.1:80"), Forwarding::Ipip),
        ("ipip v6", v6, address("[2001:db8::1]:80"), Forwarding::Ipip),
        ("gue v4", v4, address("192.0.2.2:80"), Forwarding::Gue),
        ("gue v6", v6, address("[2001:db8::2]:80"), Forwarding::Gue),
    ];
    let mut bed = Bed::load(limits, PORTS, &[])?;
    let (mut lines, mut connections) = (Vec::new(), Vec::new());
    for (what, client, service, forwarding) in services {
        bed.serve(service, forwarding, (0, 0))?;
        connections.push(Connection { client, service, replies: false });
        let frame = frame::tcp(client, service, Segment::Ack)?;
        lines.push(Line::wrapped(what, frame, (&mut bed, feeder))?.within(TUNNEL, READ));
    }
    bed.establish(&connections)?;
    Ok(Group { bed, lines })
}
