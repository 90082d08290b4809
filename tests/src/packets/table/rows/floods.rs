//! More newcomers than a CPU stores in a second.

use lb_common::{
    reason::Reason::{
        self, Flood, FlowUnstored, PinDeferred, SessionExpired, SessionNew, SessionProven, TcpMidstream,
    },
    state::Forwarding,
};

use super::super::{A, ACK, B, Conn, Family, Geometry, Row, Side, Site};

const PROOF: &[Reason] = &[SessionNew, SessionProven];
/// One in a second; two in a tick, which lasts a little longer.
const FEW_FLOWS: Geometry = Geometry { new_flows: 1, ..Geometry::ROOMY };
const FEW_PINS: Geometry = Geometry { new_pins: 1, ..Geometry::ROOMY };

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<_> = [Family::V4, Family::V6].map(unstored).into();
    rows.extend([
        unstored_datagrams(),
        sessions_decide(),
        by_connection(),
        dropped(),
        pinned_are_bound(),
        pins_one_by_one(),
        verified_at_once(),
    ]);
    rows
}

fn dsr() -> Site {
    Site { forwarding: Forwarding::Dsr, ..Site::WEB }
}

/// A connection by its number, from a client of its own.
fn nth(site: Site, number: usize) -> Conn {
    let client = match site.family {
        Family::V4 => format!("198.51.100.{}", 20 + number),
        Family::V6 => format!("2001:db8:c::{:x}", 20 + number),
    };
    site.conn(number).by(&client)
}

/// Two newcomers spend what the tick has.
fn spent(row: Row, site: Site) -> Row {
    let events: &[Reason] = if site.udp { &[SessionNew] } else { &[] };
    let (one, two) = (nth(site, 1), nth(site, 2));
    row.opens(one, A, one.first(), events).opens(two, A, two.first(), events)
}

/// A row that begins with a tick.
fn begin(id: &str, name: &str, geometry: Geometry, site: Site) -> Row {
    Row::new(name).proves(id).sized(geometry).at(site).wait(1)
}

fn unstored(family: Family) -> Row {
    let site = Site::new(family, false, Forwarding::Dsr);
    let third = nth(site, 3);
    let name = format!("{}: newcomers beyond the limit are served and not stored", site.name());
    spent(begin("flow-unstored", &name, FEW_FLOWS, site), site)
        .goes(third, A, third.first(), &[FlowUnstored])
        .goes(third, A, third.data(), &[TcpMidstream, FlowUnstored])
        // Known connections go on as ever.
        .goes(nth(site, 1), A, nth(site, 1).data(), &[SessionNew])
        .wait(1)
        .opens(third, A, third.data(), &[TcpMidstream])
        .goes(third, A, third.data(), &[SessionNew])
}

fn unstored_datagrams() -> Row {
    let site = Site { udp: true, ..dsr() };
    let third = nth(site, 3);
    spent(begin("flow-unstored", "datagrams beyond the limit store no session", FEW_FLOWS, site), site)
        .goes(third, A, third.first(), &[FlowUnstored])
        .wait(1)
        .opens(third, A, third.first(), &[SessionNew])
}

fn sessions_decide() -> Row {
    let site = dsr();
    let (known, second) = (site.conn(0), site.conn(4));
    let row = begin("flow-unstored", "beyond the limit a live session still decides", FEW_FLOWS, site)
        .opens(known, A, known.first(), &[])
        .goes(known, A, known.data(), &[SessionNew])
        .wait(1);
    spent(row, site).slots(site, [B, B]).goes(second, A, second.first(), &[FlowUnstored]).goes(
        nth(site, 3),
        B,
        nth(site, 3).first(),
        &[FlowUnstored],
    )
}

fn by_connection() -> Row {
    let site = Site { prefix: None, ..dsr() };
    let third = nth(site, 3);
    spent(begin("flow-unstored", "by connection: beyond the limit the hash decides", FEW_FLOWS, site), site)
        .goes(third, A, third.first(), &[FlowUnstored])
        .goes(third, A, third.data(), &[TcpMidstream, FlowUnstored])
}

/// Without a source port a connection can't be served.
fn dropped() -> Row {
    let site = Site::WEB;
    let third = Conn { taken: 2, ..nth(site, 3) };
    let row = begin("flood", "nat: a stranger's connection beyond the limit is dropped", FEW_FLOWS, site);
    let row = (1..=2).fold(row, |row, number| {
        let conn = Conn { taken: number - 1, ..nth(site, number) };
        row.opens(conn, A, conn.first(), &[])
    });
    let one = Conn { taken: 0, ..nth(site, 1) };
    row.ends(third.first(), Flood)
        .ends_with(third.data(), Side::Outside, Flood, &[TcpMidstream])
        .returns(one, A, one.answer(A), &[])
        .goes(one, A, one.data(), PROOF)
        .wait(1)
        .opens(third, A, third.first(), &[])
}

fn pinned_are_bound() -> Row {
    let site = Site::WEB;
    let known = site.conn(0);
    let mut row = begin(
        "flood-proven",
        "nat: beyond the limit proven clients' connections are served",
        FEW_FLOWS,
        site,
    )
    .opens(known, A, known.first(), &[])
    .returns(known, A, known.answer(A), &[])
    .goes(known, A, known.data(), PROOF)
    .slots(site, [B, B])
    .wait(1);
    for number in 1..=2 {
        let conn = nth(site, number);
        row = row.opens(conn, B, conn.first(), &[]);
    }
    for number in 3..6 {
        let conn = site.conn(number);
        row = row.ends(nth(site, 7).first(), Flood).opens(conn, A, conn.first(), &[]);
    }
    row
}

fn pins_one_by_one() -> Row {
    let site = dsr();
    let mut row =
        begin("pin-deferred", "clients that can't be verified become proven a few at a time", FEW_PINS, site);
    for conn in (1..=3).map(|number| nth(site, number)) {
        row = row.opens(conn, A, conn.first(), &[]).goes(conn, A, conn.data(), &[SessionNew]);
    }
    let [one, two, three] = [1, 2, 3].map(|number| nth(site, number));
    row.wait(1)
        .goes(one, A, one.data(), &[SessionProven])
        .goes(two, A, two.data(), &[SessionProven])
        .goes(three, A, three.data(), &[PinDeferred])
        // Once a tick.
        .goes(three, A, three.data(), &[])
        .wait(1)
        .goes(three, A, three.data(), &[SessionProven])
}

fn verified_at_once() -> Row {
    let site = Site { idle_ticks: 1, ..Site::WEB };
    let mut row = begin("proven", "clients that are verified become proven at once", FEW_PINS, site);
    for conn in (0..4).map(|number| nth(site, number)) {
        row = row.opens(conn, A, conn.first(), &[]).returns(conn, A, conn.answer(A), &[]).goes(
            conn,
            A,
            conn.data(),
            PROOF,
        );
    }
    // Those that can't be are not in their way.
    let one = nth(site, 0);
    row.wait(2)
        .opens(
            Conn { taken: 4, port: 41_000, ..one },
            A,
            Conn { port: 41_000, ..one }.first(),
            &[SessionExpired],
        )
        .returns(one, A, one.answers(A, ACK, b"late"), &[])
}
