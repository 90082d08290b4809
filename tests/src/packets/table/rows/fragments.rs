//! Fragments: the first decides, the others follow.

use lb_common::{
    reason::Reason::{
        self, FragmentDisplaced, FragmentOrphan, FragmentTiny, Malformed, NoBackend, NotOurs, OtherProtocol,
        TcpMidstream,
    },
    state::{Forwarding, Health},
};

use super::{
    super::{A, ACK, B, Conn, Datagram, End, Family, Geometry, Port, Row, Side, Site, Which},
    FAMILIES, on_first, opened, sites,
};

const PAYLOAD: usize = 3001;
const PIECE: usize = 1200;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites() {
        rows.push(in_order(site, A));
        rows.push(in_order(site, B));
        rows.push(a_new_one(site));
        rows.push(reversed(Site { only: true, ..site }));
        rows.push(orphans(site));
        rows.push(by_connection(site));
        rows.push(decorated(site));
        rows.push(backend_down(site));
        // Its later fragments are too big for a tunnel.
        if !site.forwarding.is_tunnel() {
            rows.push(tiny(site));
        }
        rows.push(strange(site));
        if !site.forwarding.is_direct() {
            rows.push(answers(site, A));
            rows.push(answers(site, B));
        }
    }
    rows.push(displaced());
    rows.extend(FAMILIES.map(echo));
    rows
}

/// The row of docs/packets.md on fragments of this family.
fn id(site: Site) -> String {
    format!("{}-fragments", site.family.name())
}

fn row(site: Site, what: &str) -> Row {
    Row::new(format!("{}: {what}", site.name())).proves(id(site)).at(site)
}

fn big(conn: Conn) -> Datagram {
    conn.says(ACK, &[0x5a; PAYLOAD])
}

/// What a datagram without a known connection counts.
fn on_midstream(site: Site) -> &'static [Reason] {
    if site.udp { on_first(site) } else { &[TcpMidstream] }
}

fn in_order(site: Site, which: Which) -> Row {
    let conn = site.conn(0);
    let row = row(site, &format!("fragments of an open connection to {which:?}")).slots(site, [which; 2]);
    let row = opened(row, conn, which);
    let row = big(conn).cut(0x1234, PIECE).into_iter().fold(row, |row, it| row.goes(conn, which, it, &[]));
    // Again, as duplicates come; and as late as may be.
    let again = big(conn).cut(0x1234, PIECE);
    row.goes(conn, which, again[2].clone(), &[])
        .wait(28)
        .goes(conn, which, again[1].clone(), &[])
        .wait(2)
        .ends(again[2].clone(), FragmentOrphan)
}

/// A connection may begin with a fragment.
fn a_new_one(site: Site) -> Row {
    let conn = site.conn(0);
    let pieces = big(conn).cut(7, 1400);
    row(site, "a connection that begins with fragments")
        .opens(conn, A, pieces[0].clone(), on_midstream(site))
        .goes(conn, A, pieces[1].clone(), &[])
        .goes(conn, A, pieces[2].clone(), &[])
}

/// Where an address has one service, which tells clients by their addresses, fragments need no first one.
fn reversed(site: Site) -> Row {
    let conn = site.conn(0);
    let mut pieces = big(conn).cut(0x00ab_cdef, PIECE);
    if site.is_v4() {
        pieces = big(conn).cut(0xcdef, PIECE);
    }
    let row = row(site, "later fragments before the first").proves(format!("{}-early", site.family.name()));
    // By the hash, then by the session.
    // Without ports, there is nothing of the flow's in a tunnel's header.
    let early = if site.forwarding.is_tunnel() { Conn { taken: 2, ..conn } } else { conn };
    let row = opened(row.goes(early, A, pieces[2].clone(), &[]), conn, A).slots(site, [B; 2]);
    pieces.reverse();
    let mut row = pieces
        .into_iter()
        .fold(row, |row, piece| row.goes(if piece.has_ports() { conn } else { early }, A, piece, &[]));
    // A stranger goes by the hash.
    let other = Conn { client: site.other_client(), port: 40_001, taken: 1, ..conn };
    row = row.goes(other, B, big(other).cut(9, PIECE)[1].clone(), &[]);
    row.health(site, B, Health::Down).ends(big(other).cut(9, PIECE)[1].clone(), NoBackend)
}

/// Fragments of which nothing is known.
fn orphans(site: Site) -> Row {
    let conn = site.conn(0);
    let name = site.family.name();
    let pieces = big(conn).cut(0x4321, PIECE);
    let other = Conn { client: site.other_client(), ..conn };
    let row = row(site, "fragments of a first one that was not seen").proves(format!("{name}-orphan"));
    let row = row.ends(pieces[1].clone(), FragmentOrphan).ends(pieces[2].clone(), FragmentOrphan);
    let elsewhere = End { address: site.server(B).0, ..pieces[1].destination };
    let unserved = End { port: Port::Is(site.port + 1), ..pieces[0].destination };
    opened(row, conn, A)
        .goes(conn, A, pieces[0].clone(), &[])
        // Another identification, another client, another address.
        .ends(big(conn).cut(0x4322, PIECE)[1].clone(), FragmentOrphan)
        .ends(big(conn).cut(0x4321 ^ 1 << 15, PIECE)[1].clone(), FragmentOrphan)
        .ends(big(other).cut(0x4321, PIECE)[1].clone(), FragmentOrphan)
        .ends(Datagram { destination: elsewhere, ..pieces[0].clone() }, NotOurs)
        .ends(Datagram { destination: elsewhere, ..pieces[1].clone() }, NotOurs)
        // A first one to no service is nobody's, and leaves nothing.
        .ends(Datagram { destination: unserved, ..big(conn).cut(5, PIECE)[0].clone() }, NotOurs)
        .ends(big(conn).cut(5, PIECE)[1].clone(), FragmentOrphan)
        .goes(conn, A, pieces[1].clone(), &[])
}

/// Two connections, and two clients, with the same identification; and no way to guess by client.
fn by_connection(site: Site) -> Row {
    let site = Site { prefix: None, ..site };
    let conn = site.conn(0);
    let other = Conn { client: site.other_client(), port: 40_001, taken: 1, ..conn };
    let events: &[Reason] = if site.udp { &[] } else { &[TcpMidstream] };
    let cut = |conn: Conn| big(conn).cut(0x1111, PIECE);
    row(site, "by connection, two clients with one identification")
        .ends(cut(conn)[1].clone(), FragmentOrphan)
        .opens(conn, A, cut(conn)[0].clone(), events)
        .slots(site, [B; 2])
        .opens(other, B, cut(other)[0].clone(), events)
        .goes(conn, A, cut(conn)[2].clone(), &[])
        .goes(other, B, cut(other)[1].clone(), &[])
        .goes(conn, A, cut(conn)[1].clone(), &[])
        .goes(other, B, cut(other)[2].clone(), &[])
}

/// Options, extension headers and tags around fragments.
fn decorated(site: Site) -> Row {
    let conn = site.conn(0);
    let mut whole = big(conn).tagged(&[[0x8100, 5]]);
    if site.is_v4() {
        whole.ip_options = vec![0x94, 4, 0, 0];
    } else {
        whole = whole.extended(&[(0, vec![0, 1, 4, 0, 0, 0, 0])]);
    }
    let row = opened(row(site, "fragments with options and tags"), conn, A);
    whole.cut(0x77, PIECE).into_iter().fold(row, |row, it| row.goes(conn, A, it, &[]))
}

fn backend_down(site: Site) -> Row {
    let conn = site.conn(0);
    let pieces = big(conn).cut(0x1234, PIECE);
    opened(row(site, "the backend goes down between fragments"), conn, A)
        .goes(conn, A, pieces[0].clone(), &[])
        .health(site, A, Health::Down)
        .ends(pieces[1].clone(), NoBackend)
        .recipe(site, A, |recipe| recipe.generation += 1)
        .health(site, A, Health::Up)
        .ends(pieces[2].clone(), FragmentOrphan)
}

/// First fragments that end before their transport header does.
fn tiny(site: Site) -> Row {
    let conn = site.conn(0);
    let least = if site.udp { 8 } else { 24 };
    let mut row = row(site, "a tiny first fragment").proves("fragment-tiny");
    for bytes in (0..least).step_by(8) {
        row = row.ends(big(conn).piece(3, 0, bytes, true), FragmentTiny);
        let elsewhere = End { address: site.server(B).0, ..conn.data().destination };
        let piece = big(conn).piece(3, 0, bytes, true);
        row = row.ends(Datagram { destination: elsewhere, ..piece }, NotOurs);
    }
    row.ends(big(conn).cut(3, PIECE)[1].clone(), FragmentOrphan)
        .opens(conn, A, big(conn).piece(3, 0, least, true), on_midstream(site))
        .goes(conn, A, big(conn).piece(3, least, least + 8, true), &[])
        .goes(conn, A, big(conn).piece(3, least + 8, PAYLOAD, false), &[])
}

/// Fragments cut off by the frame's end, and empty ones.
fn strange(site: Site) -> Row {
    let conn = site.conn(0);
    let pieces = big(conn).cut(0x1234, PIECE);
    let cut = |piece: &Datagram| {
        let frame = piece.build(&[]);
        frame[..frame.len() - 1].to_vec()
    };
    opened(row(site, "fragments longer than their frame").proves("packet-cut"), conn, A)
        .ends(cut(&pieces[0]), FragmentTiny)
        .goes(conn, A, pieces[0].clone(), &[])
        .ends(cut(&pieces[1]), Malformed)
        .goes(conn, A, big(conn).piece(0x1234, PIECE, PIECE, true), &[])
        .goes(conn, A, Datagram { padding: 7, ..big(conn).piece(0x1234, PIECE, PIECE + 8, true) }, &[])
}

fn answers(site: Site, which: Which) -> Row {
    let conn = site.conn(0);
    let row = row(site, &format!("{which:?} answers in fragments")).slots(site, [which; 2]);
    let pieces = conn.answers(which, ACK, &[0xa5; PAYLOAD]).cut(0x2222, PIECE);
    let row = opened(row, conn, which).ends_with(pieces[1].clone(), which.side(), NotOurs, &[]);
    let row = pieces.into_iter().fold(row, |row, it| row.returns(conn, which, it, &[]));
    let late = conn.answers(which, ACK, &[0xa5; PAYLOAD]).cut(0x2222, PIECE)[2].clone();
    // What a backend that is down still says reaches its clients.
    row.health(site, which, Health::Down).returns(conn, which, late.clone(), &[]).wait(30).ends_with(
        late,
        which.side(),
        NotOurs,
        &[],
    )
}

/// One bucket for all packets that are under way.
fn displaced() -> Row {
    let site = Site::new(Family::V4, true, Forwarding::Dsr);
    let conn = site.conn(0);
    let mut row = row(site, "too many packets in fragments at once")
        .proves("fragment-displaced")
        .sized(Geometry { fragments: 1, ..Geometry::ROOMY });
    row = opened(row, conn, A);
    for identification in 0..6 {
        let first = big(conn).cut(identification, PIECE)[0].clone();
        let events: &[Reason] = if identification < 4 { &[] } else { &[FragmentDisplaced] };
        row = row.goes(conn, A, first, events);
    }
    row = row.goes(conn, A, big(conn).cut(5, PIECE)[1].clone(), &[]);
    // Nobody misses those that are over.
    row.wait(30).goes(conn, A, conn.data(), &[Reason::SessionProven]).goes(
        conn,
        A,
        big(conn).cut(9, PIECE)[0].clone(),
        &[],
    )
}

/// Of other protocols than TCP and UDP the kernel gets all fragments.
fn echo(family: Family) -> Row {
    let site = Site { echo: true, only: true, ..Site::new(family, true, Forwarding::Dsr) };
    let conn = site.conn(0);
    let number = if site.is_v4() { 1 } else { 58 };
    let mut row = row(site, "a ping in fragments passes").proves(format!("{}-echo", family.name()));
    for piece in big(conn).cut(0x99, PIECE) {
        let mut frame = piece.build(&[]);
        // The checksums are then wrong, which is not looked at.
        if site.is_v4() {
            frame[23] = number;
        } else {
            frame[54] = number;
        }
        let other = Datagram { destination: End { address: site.server(B).0, ..piece.destination }, ..piece };
        row = row.ends(frame, OtherProtocol).ends_with(other, Side::Outside, NotOurs, &[]);
    }
    row
}

impl Site {
    const fn is_v4(&self) -> bool {
        matches!(self.family, Family::V4)
    }

    /// Another client than the usual one.
    fn other_client(&self) -> std::net::IpAddr {
        match self.family {
            Family::V4 => [198, 51, 100, 8].into(),
            Family::V6 => [0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 8].into(),
        }
    }
}
