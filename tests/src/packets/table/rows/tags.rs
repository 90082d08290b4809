//! VLAN tags: stepped over, and kept.

use lb_common::reason::Reason::{Malformed, NotIp, NotOurs};

use super::{
    super::{A, ACK, B, Conn, Datagram, End, FIN, Port, Row, Site, Tag, Which},
    on_first, on_proof, on_second, sites,
};

const ONE: &[Tag] = &[[0x8100, 0xa007]];
const PROVIDER: &[Tag] = &[[0x88a8, 0x0064], [0x8100, 0x0007]];
const TWICE: &[Tag] = &[[0x8100, 0x0064], [0x8100, 0x0007]];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites() {
        rows.push(both_ways(site, "one tag", "tag", ONE, A));
        rows.push(both_ways(site, "a customer's tag in a provider's", "tags-two", PROVIDER, B));
        rows.push(both_ways(site, "a provider's tag alone", "tag", &PROVIDER[..1], B));
        rows.push(both_ways(site, "two tags of the same type", "tags-two", TWICE, A));
        rows.push(others(site));
        rows.push(cut(site));
    }
    rows
}

fn both_ways(site: Site, what: &str, id: &str, tags: &[Tag], which: Which) -> Row {
    let conn = site.conn(0);
    let tagged = |datagram: Datagram| datagram.tagged(tags);
    let row = Row::new(format!("{}: {what}", site.name())).proves(id).at(site).slots(site, [which; 2]).opens(
        conn,
        which,
        tagged(conn.first()),
        on_first(site),
    );
    let row = if site.forwarding.is_direct() {
        row.goes(conn, which, tagged(conn.data()), on_second(site))
    } else {
        row.returns(conn, which, tagged(conn.answer(which)), &[]).goes(
            conn,
            which,
            tagged(conn.data()),
            on_proof(site),
        )
    };
    // A tag is no part of what a connection is told by.
    let row = row.goes(conn, which, conn.data(), &[]).goes(
        conn,
        which,
        Datagram { padding: 9, ..tagged(conn.says(ACK, b"x")) },
        &[],
    );
    if site.udp { row } else { row.goes(conn, which, tagged(conn.says(FIN | ACK, b"")), &[]) }
}

fn others(site: Site) -> Row {
    let conn = site.conn(0);
    let port = End { port: Port::Is(site.port + 1), ..conn.first().destination };
    let other = End { address: site.server(B).0, ..conn.first().destination };
    let three = &[PROVIDER, ONE].concat();
    let mut row = Row::new(format!("{}: tagged, and not ours", site.name()))
        .proves("tag")
        .proves("tags-two")
        .proves("tags-three")
        .at(site);
    for tags in [ONE, PROVIDER] {
        for destination in [port, other] {
            row = row.ends(Datagram { destination, ..conn.first() }.tagged(tags), NotOurs);
        }
        let mut frame = conn.first().tagged(tags).build(&[]);
        // ARP behind the tags.
        let at = 12 + 4 * tags.len();
        frame[at..at + 2].copy_from_slice(&[0x08, 0x06]);
        row = row.ends(frame, NotIp);
    }
    row.ends(conn.first().tagged(three), NotIp)
}

/// Frames that end within their tags, and behind them.
fn cut(site: Site) -> Row {
    let conn = Conn { port: 40_001, ..site.conn(0) };
    let row = Row::new(format!("{}: tagged and cut short", site.name())).proves("tag-cut").at(site);
    let (one, two) = (conn.data().tagged(ONE).build(&[]), conn.data().tagged(PROVIDER).build(&[]));
    // Of the second tag nothing, a half, all; then no type, half a type, a type and nothing.
    [14, 15, 16, 17]
        .into_iter()
        .fold(row, |row, length| row.ends(one[..length].to_vec(), NotIp))
        .ends(one[..18].to_vec(), NotOurs)
        .ends(one[..18 + 19].to_vec(), NotOurs)
        .ends(one[..one.len() - 1].to_vec(), Malformed)
        .ends(two[..16].to_vec(), NotIp)
        .ends(two[..20].to_vec(), NotIp)
        .ends(two[..22].to_vec(), NotOurs)
        .ends(two[..two.len() - 1].to_vec(), Malformed)
}
