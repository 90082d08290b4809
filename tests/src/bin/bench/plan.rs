//! What is measured: the tables, and the lines that run on them.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    thread::sleep,
};

use anyhow::Result;
use lb_common::{reason::Reason, state::Forwarding};
use lb_user::model::Limits;

use crate::{
    bed::{Bed, Connection, TICK},
    feed::Feed,
    frame::{self, Segment},
    line::Line,
    run::{Action, run},
};

// Budgets, in multiples of the empty program.
const NOT_OURS: f64 = 3.0;
const DSR: f64 = 2.5;
const NAT: f64 = 4.0;
const TUNNEL: f64 = 5.0;
const NEW: f64 = 15.0;
const MANY: f64 = 12.0;

/// The default range.
const PORTS: (u16, u16) = (1024, 32_767);
/// Sources that never come again within a bench.
const ENDLESS: u32 = 1 << 30;

/// Tables and the lines that run on them.
pub(crate) struct Group {
    pub(crate) bed: Bed,
    pub(crate) lines: Vec<Line>,
}

/// Everything, ready to be measured.
pub(crate) fn groups(limits: &Limits, feeder: &Path) -> Result<Vec<Group>> {
    Ok(vec![
        one_flow(limits)?,
        tunnels(limits, feeder)?,
        many_flows(["64k flows", "floor of 64k: strangers"], 65_536, feeder, limits)?,
        many_flows(["512k flows", "floor of 512k: strangers"], 524_288, feeder, limits)?,
        new_connections("new connection, dsr, table free", Forwarding::Dsr, Table::Free, feeder, limits)?,
        new_connections("new connection, dsr, table full", Forwarding::Dsr, Table::Full, feeder, limits)?,
        new_connections("new connection, nat, table free", Forwarding::Nat, Table::Free, feeder, limits)?,
        new_connections("new connection, nat, table full", Forwarding::Nat, Table::Full, feeder, limits)?,
    ])
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("written here")
}

/// Packets of one connection, and packets that are not ours.
///
/// The range of source ports has a single port, which is the clients' own, and the source addresses
/// are the clients' own: so each packet is rewritten into itself (see [`Bed::serve`]).
fn one_flow(limits: &Limits) -> Result<Group> {
    const PORT: u16 = 20_000;
    let (v4, v6) = (address("198.51.100.7:20000"), address("[2001:db8:7::7]:20000"));
    // Without rewriting of the source, replies go to a port that is not of the range.
    let (kept_v4, kept_v6) = (address("198.51.100.7:40000"), address("[2001:db8:7::7]:40000"));
    let limits = Limits { nat_connections: 1024, ..limits.clone() };
    let mut bed = Bed::load(&limits, (PORT, PORT), &[v4.ip(), v6.ip()])?;

    let services = [
        ("dsr v4", kept_v4, address("192.0.2.1:80"), Forwarding::Dsr),
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
        ("not ours, v4", kept_v4, address("192.0.2.9:80")),
        ("not ours, v6", kept_v6, address("[2001:db8::9]:80")),
        // As the host's own connections might have.
        ("not ours, v4, to a port of nat", kept_v4, address("192.0.2.9:20000")),
    ];
    for (what, from, to) in strangers {
        lines.push(Line::same(what, NOT_OURS, frame::tcp(from, to, Segment::Ack)?, Reason::NotOurs));
    }
    let mut connections = Vec::new();
    for ((what, client, service, forwarding), reply) in services.into_iter().zip(replies) {
        let rewrites = forwarding != Forwarding::Dsr;
        let sources = if forwarding == Forwarding::Nat { (u8::from(client.is_ipv6()), 1) } else { (0, 0) };
        bed.serve(service, forwarding, sources)?;
        connections.push(Connection { client, service, replies: rewrites });
        let budget = if rewrites { NAT } else { DSR };
        lines.push(Line::same(what, budget, frame::tcp(client, service, Segment::Ack)?, Reason::ToBackend));
        if rewrites {
            lines.push(Line::same(reply, NAT, frame::tcp(service, client, Segment::Ack)?, Reason::ToClient));
        }
    }
    bed.establish(&connections)?;
    Ok(Group { bed, lines })
}

/// Packets of one connection each, through tunnels.
fn tunnels(limits: &Limits, feeder: &Path) -> Result<Group> {
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
        lines.push(Line::wrapped((what, TUNNEL), frame, (&mut bed, feeder))?);
    }
    bed.establish(&connections)?;
    Ok(Group { bed, lines })
}

/// Packets of `count` connections in turn, with what each asks for once a tick. `dsr`, v4.
fn many_flows([what, floor]: [&'static str; 2], count: u32, feeder: &Path, limits: &Limits) -> Result<Group> {
    let limits = Limits { flows: count, ..limits.clone() };
    let service = address("192.0.2.1:80");
    let mut bed = Bed::load(&limits, PORTS, &[])?;
    bed.serve(service, Forwarding::Dsr, (0, 0))?;
    let packet = |segment| frame::tcp(address("10.0.0.0:1024"), service, segment);
    let mut prime = Feed::load(feeder, bed.program.xdp(), count)?;
    run(prime.xdp()?, &packet(Segment::Syn)?, count, Action::Tx)?;
    sleep(TICK);
    prime.rewind()?;
    run(prime.xdp()?, &packet(Segment::Ack)?, count, Action::Tx)?;
    let feed = |what, frame, bed: &mut Bed| {
        // A few have found no place, and displace each other for as long as they have traffic.
        Line::fed((what, MANY), frame, (count, 524_288), 0.0..=0.01, (bed, feeder))
    };
    let known = feed(what, packet(Segment::Ack)?, &mut bed)?;
    // What no design with a table in memory gets below: strangers' packets touch a line of it, and no more.
    let elsewhere = frame::tcp(address("10.0.0.0:1024"), address("192.0.2.9:80"), Segment::Ack)?;
    let floor = feed(floor, elsewhere, &mut bed)?.not_ours();
    Ok(Group { bed, lines: vec![known, floor] })
}

/// SYNs of new clients, which in `nat` take a source port each. v4.
fn new_connections(
    what: &'static str,
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
    let line = Line::fed((what, NEW), syn(service)?, (ENDLESS, times), 1.0..=1.0, (&mut bed, feeder))?;
    let line = if forwarding == Forwarding::Nat { line.with_free_ports() } else { line };
    let line = match table {
        Table::Free => line.with_free_table(),
        Table::Full => {
            bed.serve(filler, Forwarding::Dsr, (0, 0))?;
            let feed = Feed::load(feeder, bed.program.xdp(), ENDLESS)?;
            run(feed.xdp()?, &syn(filler)?, 4 * limits.flows, Action::Tx)?;
            line
        }
    };
    Ok(Group { bed, lines: vec![line] })
}

/// State of the flow table.
#[derive(Clone, Copy)]
enum Table {
    /// Every way holds a live connection.
    Full,
    /// Most ways are free.
    Free,
}
