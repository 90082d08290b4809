//! Packets to tunnelled backends: what of them the outer headers show, and what becomes of those that don't fit.

use lb_common::{
    net::Mac,
    reason::Reason,
    state::{
        BackendId,
        Forwarding::{Gue, Ipip},
    },
};

use super::{
    super::{
        A, ACK, B, Conn, Datagram, Family, Fate, Parts, Row, Side, Site, Transport, mac,
        tunnel::{Entropy, MTU, room},
    },
    FAMILIES,
};

/// Both tunnels, in each pair of families that there is.
fn sites(udp: bool) -> impl Iterator<Item = Site> {
    let pairs = [(Family::V4, Family::V4), (Family::V6, Family::V6), (Family::V4, Family::V6)];
    pairs.into_iter().flat_map(move |(family, outer)| {
        [Ipip, Gue].map(|mode| Site { outer, ..Site::new(family, udp, mode) })
    })
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for udp in [false, true] {
        rows.extend(sites(udp).filter(|site| site.family != site.outer).map(mixed));
    }
    for site in sites(false) {
        rows.push(congestion(site));
        rows.push(padded(site));
        rows.push(flows(site));
        rows.push(unreachable(site));
        rows.push(largest(site));
        rows.push(fragment(site));
        rows.push(too_big(site, Side::Outside, |_| {}));
    }
    rows.extend(FAMILIES.map(|family| too_big(Site::new(family, false, Gue), Side::Inside, |_| {})));
    let web = Site::new(Family::V4, false, Ipip);
    rows.push(too_big(web, Side::Outside, |it| it.may_fragment = true).named("may be fragmented"));
    rows.push(too_big(web, Side::Outside, |it| it.ip_options = vec![1; 40]).named("has options"));
    rows.push(too_big(web, Side::Outside, |it| it.padding = 9).named("has padding behind it"));
    rows.push(first_too_big());
    rows.push(error());
    rows
}

impl Row {
    fn named(mut self, what: &str) -> Self {
        self.name = format!("{}: {what}", self.name);
        self
    }
}

fn row(site: Site, what: &str) -> Row {
    Row::new(format!("{}: {what}", site.name())).at(site)
}

/// A connection that has been opened.
fn open(site: Site, conn: Conn, what: &str) -> Row {
    let row = row(site, what).opens(conn, A, conn.first(), &[]);
    row.goes(conn, A, conn.data(), &[Reason::SessionNew])
}

fn mixed(site: Site) -> Row {
    let conn = site.conn(0);
    let (first, second): (&[_], &[_]) =
        if site.udp { (&[Reason::SessionNew], &[]) } else { (&[], &[Reason::SessionNew]) };
    let row = row(site, "an IPv4 service with IPv6 backends").proves("tunnel-mixed").proves(site.row());
    row.slots(site, [B, B]).opens(conn, B, conn.first(), first).goes(conn, B, conn.data(), second)
}

fn congestion(site: Site) -> Row {
    let conn = site.conn(0);
    (1..4).fold(open(site, conn, "DSCP and ECN are copied").proves("tunnel-congestion"), |row, ecn| {
        row.goes(conn, A, Datagram { ecn, ..conn.data() }, &[])
    })
}

fn padded(site: Site) -> Row {
    let conn = site.conn(0);
    open(site, conn, "Ethernet padding stays outside").proves("tunnel-padding").goes(
        conn,
        A,
        Datagram { padding: 6, ..conn.data() },
        &[],
    )
}

/// Side by side, each keeps what it has in its outer headers: see [`Conn::taken`].
fn flows(site: Site) -> Row {
    let (one, two) = (site.conn(0), site.conn(1));
    open(site, one, "each flow keeps its outer headers")
        .proves("tunnel-flow")
        .opens(two, A, two.first(), &[])
        .goes(one, A, one.data(), &[])
        .goes(two, A, two.data(), &[])
}

fn unreachable(site: Site) -> Row {
    let conn = site.conn(0);
    open(site, conn, "no next hop")
        .proves("no-next-hop")
        .recipe(site, A, |recipe| recipe.target_mac = Mac::default())
        .ends(conn.data(), Reason::NoNextHop)
}

/// A packet of exactly so many bytes.
fn sized(conn: Conn, bytes: usize) -> Datagram {
    let empty = conn.says(ACK, b"");
    let payload: Vec<u8> = (0..bytes - empty.ip_len() as usize).map(|at| (at * 7 + at / 256) as u8).collect();
    empty.carrying(payload)
}

fn largest(site: Site) -> Row {
    let conn = site.conn(0);
    open(site, conn, "the largest packet fits").proves("tunnel-largest").goes(
        conn,
        A,
        sized(conn, room(&site, MTU)),
        &[],
    )
}

/// One byte more is answered, and the connection goes on.
fn too_big(site: Site, side: Side, change: impl FnOnce(&mut Datagram)) -> Row {
    let conn = site.conn(0);
    let mut big = sized(conn, room(&site, MTU) + 1);
    change(&mut big);
    let from = if side == Side::Inside { ", by the other interface" } else { "" };
    let row =
        open(site, conn, &format!("a packet too big for the tunnel is answered{from}")).proves("too-big");
    let fate = answered(site, None, &big);
    row.comes(side, big, fate, &[]).goes(conn, A, sized(conn, room(&site, MTU)), &[])
}

fn first_too_big() -> Row {
    let site = Site::new(Family::V4, true, Gue);
    let conn = site.conn(0);
    let big = Datagram { transport: Transport::Udp, ..sized(conn, room(&site, MTU) + 1) };
    let fate = answered(site, Some(site.id(A)), &big);
    row(site, "a first packet too big for the tunnel is answered")
        .proves("too-big")
        .comes(Side::Outside, big, fate, &[Reason::SessionNew])
        .goes(conn, A, conn.data(), &[])
}

fn answered(site: Site, opens: Option<BackendId>, big: &Datagram) -> Fate {
    let notice = Parts::of(&big.build(&[])).expect("just built").too_big(room(&site, MTU));
    Fate::Answered { reason: Reason::TooBigAnswered, opens, out: notice.into() }
}

/// Of an error about what the backend answered, the backend's kernel finds out whose it is.
fn error() -> Row {
    let site = Site::new(Family::V4, false, Ipip);
    let conn = site.conn(0);
    let error = |payload: usize| conn.complaint_outside(conn.answers(A, ACK, &vec![7; payload]));
    let fits = error(100).build(&[]);
    let inner = Parts::of(&fits).expect("just built").between([mac::A, mac::OURS_OUT]);
    let out = inner.wrapped(site.server(A).0, false, Entropy::NONE).into();
    let fate = Fate::ToBackend { id: site.id(A), opens: false, out, side: A.side() };
    open(site, conn, "an ICMP error goes into the tunnel")
        .proves("tunnel-error")
        .comes(Side::Outside, fits, fate, &[Reason::IcmpError])
        .proves("too-big-untold")
        .ends(error(room(&site, MTU)), Reason::TooBig)
}

/// What is too big of a packet was answered with its first fragment.
fn fragment(site: Site) -> Row {
    let conn = site.conn(0);
    let whole = sized(conn, 4000);
    let cut = |bytes| whole.cut(9, bytes);
    let row =
        open(site, conn, "fragments go into the tunnel").proves("tunnel-fragment").proves("too-big-untold");
    let row = cut(1200).into_iter().fold(row, |row, piece| row.goes(conn, A, piece, &[]));
    row.ends(cut(1480)[1].clone(), Reason::TooBig)
}
