//! What keeps a client on its backend, and what doesn't.

use lb_common::{
    reason::Reason::{self, SessionExpired, SessionNew, SessionProven, TcpMidstream},
    state::{Forwarding, Health},
};

use super::{
    super::{A, B, Conn, Family, Row, SYN, Site},
    FAMILIES,
};

const PROOF: &[Reason] = &[SessionNew, SessionProven];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        sticks_over_slots(false),
        sticks_over_slots(true),
        by_connection(),
        flow_outlives_slots(),
        syn_again(),
        syn_as_an_answer(),
        datagrams_after_silence(),
        midstream(),
        strangers_follow_the_hash(),
        draining(),
        draining_by_connection(),
        expires(),
        slides(),
        lifetime(),
        two_services(),
        one_scope(),
        proven_port_reused(),
    ];
    rows.extend(FAMILIES.map(prefixes));
    rows
}

/// A client whose session is stored and proven.
fn known(id: &str, name: &str, site: Site) -> (Row, Conn) {
    let conn = site.conn(0);
    let row = Row::new(name)
        .proves(id)
        .at(site)
        .opens(conn, A, conn.first(), if site.udp { &[SessionNew] } else { &[] })
        .returns(conn, A, conn.answer(A), &[])
        .goes(conn, A, conn.data(), if site.udp { &[SessionProven] } else { PROOF });
    (row, site.conn(1))
}

fn sticks_over_slots(udp: bool) -> Row {
    let site = Site { udp, ..Site::WEB };
    let name = format!("{}: a session sticks when the slots move", site.name());
    let (row, second) = known("session-sticks", &name, site);
    let stranger = site.conn(2).by("198.51.100.8");
    row.slots(site, [B, B]).opens(second, A, second.first(), &[]).opens(
        stranger,
        B,
        stranger.first(),
        if udp { &[SessionNew] } else { &[] },
    )
}

fn by_connection() -> Row {
    let site = Site { prefix: None, ..Site::WEB };
    let (first, second) = (site.conn(0), site.conn(1));
    Row::new("by connection: a new one moves with the slots, an open one does not")
        .proves("flow-sticks")
        .at(site)
        .opens(first, A, first.first(), &[])
        .returns(first, A, first.answer(A), &[])
        .goes(first, A, first.data(), &[])
        .slots(site, [B, B])
        .goes(first, A, first.data(), &[])
        .opens(second, B, second.first(), &[])
}

fn flow_outlives_slots() -> Row {
    let conn = Site::WEB.conn(0);
    Row::new("a connection not yet proven stays when the slots move")
        .proves("flow-sticks")
        .at(conn.site)
        .opens(conn, A, conn.first(), &[])
        .slots(conn.site, [B, B])
        .goes(conn, A, conn.data(), &[SessionNew])
}

fn syn_again() -> Row {
    let conn = Site::WEB.conn(0);
    Row::new("a SYN again is the same connection")
        .proves("syn-again")
        .at(conn.site)
        .opens(conn, A, conn.first(), &[])
        .slots(conn.site, [B, B])
        .goes(conn, A, conn.first(), &[])
        .returns(conn, A, conn.answer(A), &[])
        // Not even now: it may be the first SYN, overtaken.
        .goes(conn, A, conn.first(), &[])
        .goes(conn, A, conn.data(), PROOF)
}

/// Whether the client's address is a service's own or nobody's: it is all the same connection.
fn syn_as_an_answer() -> Row {
    let site = Site { forwarding: Forwarding::NatPreserve, ..Site::WEB };
    let other = Site { number: 1, scope: 0xd1f, ..Site::WEB };
    let served = Conn { client: other.address(), port: other.port, ..site.conn(0) };
    let row =
        Row::new("a backend's SYN where its answers go is one").proves("v4-tcp-preserve").at(site).at(other);
    [served, site.conn(1)].into_iter().fold(row, |row, conn| {
        row.opens(conn, A, conn.first(), &[])
            .returns(conn, A, conn.answers(A, SYN, b""), &[])
            .returns(conn, A, conn.answer(A), &[])
            .goes(conn, A, conn.data(), PROOF)
    })
}

/// 170 ticks are 3 minutes.
fn datagrams_after_silence() -> Row {
    let site = Site { udp: true, ..Site::WEB };
    let (row, again) = known("udp-silent", "a datagram flow that was silent for 3 minutes is over", site);
    let conn = site.conn(0);
    row.wait(170).goes(conn, A, conn.data(), &[]).wait(171).opens(
        Conn { port: conn.port, ..again },
        A,
        conn.data(),
        &[],
    )
}

fn midstream() -> Row {
    let conn = Site::WEB.conn(0);
    Row::new("TCP without a SYN is counted and sent where the hash says")
        .proves("midstream")
        .at(conn.site)
        .opens(conn, A, conn.data(), &[TcpMidstream])
        .goes(conn, A, conn.data(), &[SessionNew])
}

fn strangers_follow_the_hash() -> Row {
    let site = Site::WEB;
    let (first, second) = (site.conn(0), site.conn(1));
    Row::new("a client that only knocked has no session")
        .proves("session-stranger")
        .at(site)
        .opens(first, A, first.first(), &[])
        .slots(site, [B, B])
        .opens(second, B, second.first(), &[])
}

fn draining() -> Row {
    let site = Site::WEB;
    let (row, second) = known("draining", "a draining backend keeps its clients and takes no new ones", site);
    let stranger = site.conn(2).by("198.51.100.8");
    let conn = site.conn(0);
    row.health(site, A, Health::Draining)
        .slots(site, [A, B])
        .goes(conn, A, conn.data(), &[])
        .opens(second, A, second.first(), &[])
        .opens(stranger, B, stranger.first(), &[])
}

fn draining_by_connection() -> Row {
    let site = Site { prefix: None, ..Site::WEB };
    let (first, second) = (site.conn(0), site.conn(1));
    Row::new("by connection: a draining backend keeps its connections only")
        .proves("draining")
        .at(site)
        .opens(first, A, first.first(), &[])
        .health(site, A, Health::Draining)
        .slots(site, [A, B])
        .goes(first, A, first.data(), &[])
        .opens(second, B, second.first(), &[])
}

/// The second session is not counted as a new one: it takes the place of the first.
fn expires() -> Row {
    let site = Site { idle_ticks: 1, ..Site::WEB };
    let (row, second) = known("session-expires", "a session ends when it was idle for too long", site);
    let third = site.conn(2);
    row.slots(site, [B, B])
        .wait(2)
        .opens(second, B, second.first(), &[SessionExpired])
        // Counted once: the new session is stored already.
        .opens(third, B, third.first(), &[])
        .slots(site, [A, A])
        .goes(second, B, second.data(), &[])
}

fn slides() -> Row {
    let site = Site { idle_ticks: 2, ..Site::WEB };
    let (row, second) = known("session-sticks", "a session lives as long as there is traffic", site);
    let conn = site.conn(0);
    row.slots(site, [B, B])
        .wait(2)
        .goes(conn, A, conn.data(), &[])
        .wait(2)
        .goes(conn, A, conn.data(), &[])
        .wait(2)
        .opens(second, A, second.first(), &[])
}

fn lifetime() -> Row {
    let site = Site { lifetime_ticks: 2, ..Site::WEB };
    let (row, second) = known(
        "session-expires",
        "a session's lifetime ends at the next connection, not in the middle of one",
        site,
    );
    let (conn, third) = (site.conn(0), site.conn(2));
    row.slots(site, [B, B])
        .wait(1)
        .goes(conn, A, conn.data(), &[])
        .wait(2)
        .goes(conn, A, conn.data(), &[])
        .opens(second, B, second.first(), &[SessionExpired])
        .goes(conn, A, conn.data(), &[])
        .opens(third, B, third.first(), &[])
        .wait(1)
        // The old connection does not take the session back.
        .goes(conn, A, conn.data(), &[])
        .slots(site, [A, A])
        .goes(second, B, second.data(), &[])
}

fn two_services() -> Row {
    let (one, two) = (Site::WEB, Site { number: 1, scope: 0x5c1e, ..Site::WEB });
    let (row, _) = known("session-stranger", "two services keep their clients apart", one);
    let conn = Conn { port: 40_000, ..two.conn(1) };
    row.at(two).slots(two, [B, B]).opens(conn, B, conn.first(), &[])
}

/// Sessions found under one scope may name a backend of another service: it is not for this one.
fn one_scope() -> Row {
    let (one, two) = (Site::WEB, Site { number: 1, ..Site::WEB });
    let (row, _) = known("session-moves", "a session never leads to a backend of another service", one);
    let conn = two.conn(1);
    row.at(two).slots(two, [B, B]).opens(conn, B, conn.first(), &[Reason::SessionMovedDown])
}

/// The end of the first connection was not seen: the second SYN follows it to the same backend.
fn proven_port_reused() -> Row {
    let site = Site::WEB;
    let (row, _) = known("syn-on-open", "a SYN on an open connection stays with it", site);
    let conn = site.conn(0);
    row.slots(site, [B, B]).goes(conn, A, conn.first(), &[]).returns(conn, A, conn.answer(A), &[])
}

fn prefixes(family: Family) -> Row {
    let (prefix, near, far) = match family {
        Family::V4 => (24, "198.51.100.200", "198.51.101.7"),
        Family::V6 => (64, "2001:db8:c:0:ffff::1", "2001:db8:c:1::7"),
    };
    let site = Site { prefix: Some(prefix), ..Site::new(family, false, Forwarding::Nat) };
    let (row, second) = known("session-sticks", &format!("{}: a /{prefix} is one client", site.name()), site);
    let (near, far) = (second.by(near), site.conn(2).by(far));
    row.slots(site, [B, B]).opens(near, A, near.first(), &[]).opens(far, B, far.first(), &[])
}
