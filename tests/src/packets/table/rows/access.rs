//! Who may use a service: access lists, and what becomes of connections when they change.

use lb_common::{
    net::Ip,
    reason::Reason::{self, Denied, SessionNew, SessionProven},
    state::{AccessKey, Admission, Forwarding},
};

use super::{
    super::{A, Conn, Family, Row, Site},
    FAMILIES, MODES, sites,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<_> = sites().flat_map(|site| [deny_only(site), allow_only(site)]).collect();
    rows.extend(FAMILIES.map(longest_wins));
    rows.extend(FAMILIES.into_iter().flat_map(|family| MODES.map(|mode| open_connection(family, mode))));
    rows.extend([own_list(), replaced(), no_prefix_covers(), replies_go_on()]);
    rows.into_iter().map(|row| row.proves("denied")).collect()
}

/// Bits of an address in the form that maps hold.
const fn bits(family: Family, v4: u32, v6: u32) -> u32 {
    match family {
        Family::V4 => 96 + v4,
        Family::V6 => v6,
    }
}

/// The first `bits` bits of the address of a connection's client.
fn around(conn: Conn, list: u32, bits: u32, admission: Admission) -> (AccessKey, Admission) {
    let client = u128::from_be_bytes(Ip::from(conn.client).bytes());
    let first = client & !u128::MAX.checked_shr(bits).unwrap_or(0);
    (AccessKey::new(list, Ip::from_bytes(first.to_be_bytes()), bits), admission)
}

/// What becomes of everybody else.
fn others(list: u32, admission: Admission) -> (AccessKey, Admission) {
    (AccessKey::new(list, Ip::default(), 0), admission)
}

impl Row {
    /// Writes a list, then puts it into force for the site.
    fn list(self, site: Site, number: u32, rules: Vec<(AccessKey, Admission)>) -> Self {
        self.change(move |world| {
            world.add_list(number, &rules);
            world.set_service(&site.key(), &Site { access: number, ..site }.entry());
        })
    }

    /// Lets everybody in.
    fn open(self, site: Site) -> Self {
        self.change(move |world| world.set_service(&site.key(), &site.entry()))
    }
}

/// A neighbour of the usual client.
fn neighbour(conn: Conn) -> Conn {
    conn.by(if conn.site.family == Family::V4 { "198.51.100.8" } else { "2001:db8:c::8" })
}

fn new_session(site: Site) -> &'static [Reason] {
    if site.udp { &[SessionNew] } else { &[] }
}

fn deny_only(site: Site) -> Row {
    let conn = site.conn(0);
    let full = bits(site.family, 32, 128);
    Row::new(format!("{}: a client that is denied gets nothing, its neighbour is served", site.name()))
        .at(site)
        .list(site, 1, vec![around(conn, 1, full, Admission::Deny), others(1, Admission::Allow)])
        .ends(conn.first(), Denied)
        .ends(conn.data(), Denied)
        .ends(conn.fin(), Denied)
        .opens(neighbour(conn), A, neighbour(conn).first(), new_session(site))
}

fn allow_only(site: Site) -> Row {
    let conn = site.conn(0);
    let full = bits(site.family, 32, 128);
    Row::new(format!("{}: where some are allowed, others are denied", site.name()))
        .at(site)
        .list(site, 1, vec![around(conn, 1, full, Admission::Allow), others(1, Admission::Deny)])
        .ends(neighbour(conn).first(), Denied)
        .opens(conn, A, conn.first(), new_session(site))
}

fn longest_wins(family: Family) -> Row {
    let site = Site::new(family, false, Forwarding::Nat);
    let conn = site.conn(0);
    let rules = vec![
        around(conn, 1, bits(family, 32, 128), Admission::Deny),
        around(conn, 1, bits(family, 24, 48), Admission::Allow),
        around(conn, 1, bits(family, 16, 32), Admission::Deny),
        others(1, Admission::Allow),
    ];
    let by = |v4, v6| conn.by(if family == Family::V4 { v4 } else { v6 });
    let stranger = Conn { taken: 1, ..by("192.0.2.200", "2a00::1") };
    let inside = by("198.51.100.9", "2001:db8:c:1::9");
    Row::new(format!("{}: the longest prefix decides", site.name()))
        .at(site)
        .list(site, 1, rules)
        .ends(conn.first(), Denied)
        .opens(inside, A, inside.first(), &[])
        .ends(by("198.51.99.7", "2001:db8:d::7").first(), Denied)
        .opens(stranger, A, stranger.first(), &[])
}

/// A connection whose client is proven, and one tick later.
fn established(name: String, site: Site) -> (Row, Conn) {
    let conn = site.conn(0);
    let row = Row::new(name).at(site).opens(conn, A, conn.first(), &[]);
    let row = if site.forwarding.is_direct() {
        row.goes(conn, A, conn.data(), &[SessionNew]).wait(1).goes(conn, A, conn.data(), &[SessionProven])
    } else {
        row.returns(conn, A, conn.answer(A), &[]).goes(conn, A, conn.data(), &[SessionNew, SessionProven])
    };
    (row.wait(1), conn)
}

fn open_connection(family: Family, mode: Forwarding) -> Row {
    let site = Site::new(family, false, mode);
    let name = format!("{}: an open connection of a client that is denied by now is cut", site.name());
    let (row, conn) = established(name, site);
    let full = bits(family, 32, 128);
    let deny = vec![around(conn, 1, full, Admission::Deny), others(1, Admission::Allow)];
    let (again, tick) = (conn.data(), 1);
    row.list(site, 1, deny)
        .ends(conn.data(), Denied)
        .ends(conn.first(), Denied)
        .ends(conn.fin(), Denied)
        .wait(tick)
        .ends(conn.data(), Denied)
        // Let in again, it goes on where it was.
        .open(site)
        .goes(conn, A, again, &[])
}

fn own_list() -> Row {
    let (site, other) = (Site::WEB, Site { number: 1, scope: 0xd1f, ..Site::WEB });
    let (conn, same) = (site.conn(0), other.conn(0));
    let (listed, at_other) = (others(1, Admission::Deny), others(2, Admission::Allow));
    Row::new("a list is for its own services only")
        .at(site)
        .at(other)
        .list(site, 1, vec![listed])
        .ends(conn.first(), Denied)
        .opens(same, A, same.first(), &[])
        .list(other, 2, vec![at_other])
        .ends(conn.first(), Denied)
        .goes(same, A, same.data(), &[SessionNew])
}

fn replaced() -> Row {
    let site = Site::WEB;
    let conn = site.conn(0);
    let allow = |list, bits| vec![around(conn, list, bits, Admission::Allow), others(list, Admission::Deny)];
    Row::new("a list that lets the client in by another prefix takes the place of the first")
        .at(site)
        .list(site, 1, allow(1, 96 + 32))
        .opens(conn, A, conn.first(), &[])
        .returns(conn, A, conn.answer(A), &[])
        .list(site, 2, allow(2, 96 + 8))
        .goes(conn, A, conn.data(), &[SessionNew, SessionProven])
        .wait(1)
        .goes(conn, A, conn.data(), &[])
        .ends(conn.by("192.0.2.200").first(), Denied)
}

fn no_prefix_covers() -> Row {
    let site = Site::WEB;
    let conn = site.conn(0);
    Row::new("whom no prefix of a list covers is denied")
        .at(site)
        .list(site, 1, vec![around(neighbour(conn), 1, 128, Admission::Allow)])
        .ends(conn.first(), Denied)
        .opens(neighbour(conn), A, neighbour(conn).first(), &[])
}

/// What the backend still has to say does no harm; the port is free once both have been silent.
fn replies_go_on() -> Row {
    let site = Site::WEB;
    let (row, conn) = established("replies to a client that is denied by now go on".to_owned(), site);
    row.list(site, 1, vec![others(1, Admission::Deny)]).ends(conn.data(), Denied).returns(
        conn,
        A,
        conn.answers(A, super::super::ACK, b"late"),
        &[],
    )
}
