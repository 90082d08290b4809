//! Tables that are full.

use lb_common::{
    reason::Reason::{
        self, FlowDisplacedProven, FlowDisplacedStranger, NoSourcePort, PinsFull, PortDisplacedStranger,
        SessionNew, SessionProven, TcpMidstream,
    },
    state::Forwarding,
};

use super::super::{A, ACK, B, Conn, FIN, Family, Geometry, RST, Row, SEQUENCE, Side, Site};

const PROOF: &[Reason] = &[SessionNew, SessionProven];
const ONE_BUCKET: Geometry = Geometry { buckets: 1, ..Geometry::ROOMY };
const ONE_PORT: Geometry = Geometry { ports: (2000, 2000), ..Geometry::ROOMY };
const FOUR_PORTS: Geometry = Geometry { ports: (2000, 2003), ..Geometry::ROOMY };

pub(super) fn rows() -> Vec<Row> {
    vec![
        ports(),
        ports_come_back(4, "reset", |row, conn| row.returns(conn, A, conn.answers(A, RST | ACK, b""), &[])),
        ports_come_back(4, "closed by both sides", |row, conn| {
            row.returns(conn, A, conn.answers(A, FIN | ACK, b""), &[]).goes(conn, A, conn.fin(), &[])
        }),
        ports_come_back(112, "closed by one side", |row, conn| {
            row.returns(conn, A, conn.answers(A, FIN | ACK, b""), &[])
        }),
        ports_come_back(6800, "used by both sides", |row, _| row),
        strangers_port("whom nobody has answered", |row, _| row),
        strangers_port("who has not come back", |row, conn| row.returns(conn, A, conn.answer(A), &[])),
        strangers_port("who acknowledges what was never said", |row, conn| {
            let guess = conn.data().acknowledging(SEQUENCE + 2);
            row.returns(conn, A, conn.answer(A), &[]).goes(conn, A, guess, &[SessionNew])
        }),
        oldest_stranger_first(),
        pins(),
        strangers_first(),
        proven_at_last(),
        displaced_goes_on(),
        strangers_replies(),
        closed_first(),
    ]
}

/// A connection by its number, from a client of its own.
fn nth(site: Site, number: usize) -> Conn {
    site.conn(number).by(&format!("198.51.100.{}", 20 + number))
}

/// Opens a connection and proves its client.
fn proves(row: Row, conn: Conn) -> Row {
    row.opens(conn, A, conn.first(), &[]).returns(conn, A, conn.answer(A), &[]).goes(
        conn,
        A,
        conn.data(),
        PROOF,
    )
}

fn ports() -> Row {
    let site = Site { port: 2001, ..Site::WEB };
    let mut row = Row::new("every source port is a proven client's: dropped")
        .proves("no-source-port")
        .sized(FOUR_PORTS)
        .at(site);
    for number in 0..4 {
        row = proves(row, nth(site, number));
    }
    let fifth = nth(site, 4);
    row = row.ends(fifth.first(), NoSourcePort).ends_with(
        fifth.data(),
        Side::Outside,
        NoSourcePort,
        &[TcpMidstream],
    );
    // The others go on, both ways.
    for number in 0..4 {
        let conn = nth(site, number);
        row = row.returns(conn, A, conn.answers(A, ACK, b"yes"), &[]).goes(conn, A, conn.data(), &[]);
    }
    row
}

/// `end` is how a proven client's connection goes on.
fn ports_come_back(ticks: u32, what: &str, end: fn(Row, Conn) -> Row) -> Row {
    let site = Site::WEB;
    let (first, second) = (nth(site, 0), Conn { taken: 0, ..nth(site, 1) });
    let row = Row::new(format!("a source port is free again {ticks} ticks after it was {what}"))
        .proves("source-port-free")
        .sized(ONE_PORT)
        .at(site);
    let row = end(proves(row, first), first).wait(ticks).ends(second.first(), NoSourcePort).wait(1);
    // Its former owner has lost it and gets none.
    proves(row, second).ends_with(first.data(), Side::Outside, NoSourcePort, &[TcpMidstream])
}

/// A stranger holds the only source port; `then` is how far he gets with it.
fn strangers_port(who: &str, then: fn(Row, Conn) -> Row) -> Row {
    let site = Site::WEB;
    let (stranger, client) = (nth(site, 0), Conn { taken: 0, ..nth(site, 1) });
    let row = Row::new(format!("the source port of a stranger {who} goes to the next client"))
        .proves("port-displaced")
        .sized(ONE_PORT)
        .at(site)
        .opens(stranger, A, stranger.first(), &[]);
    then(row, stranger)
        .opens(client, A, client.first(), &[PortDisplacedStranger])
        .returns(client, A, client.answer(A), &[])
        .goes(client, A, client.data(), PROOF)
        // Now nobody takes it.
        .ends_with(stranger.data(), Side::Outside, NoSourcePort, &[TcpMidstream])
        .goes(client, A, client.data(), &[])
}

fn oldest_stranger_first() -> Row {
    let site = Site::WEB;
    let strangers = [2, 3].map(|number| nth(site, number));
    let mut row = Row::new("of strangers the one idle for longest loses his source port")
        .proves("port-displaced")
        .sized(FOUR_PORTS)
        .at(site);
    for number in 0..2 {
        row = proves(row, nth(site, number));
    }
    for stranger in strangers {
        row = row.opens(stranger, A, stranger.first(), &[]).wait(1);
    }
    let [_, other] = strangers;
    let client = Conn { taken: 2, ..nth(site, 4) };
    row = row
        .opens(client, A, client.first(), &[PortDisplacedStranger])
        .returns(other, A, other.answer(A), &[])
        .goes(other, A, other.data(), PROOF);
    // Three are proven by now; the fourth port changes hands again and again.
    for number in 5..8 {
        let client = Conn { taken: 2, ..nth(site, number) };
        row = row.opens(client, A, client.first(), &[PortDisplacedStranger]);
    }
    for number in 0..2 {
        let conn = nth(site, number);
        row = row.goes(conn, A, conn.data(), &[]);
    }
    row
}

fn pins() -> Row {
    let site = Site::WEB;
    let (one, two) = (nth(site, 0), nth(site, 1));
    Row::new("no room among the proven sessions")
        .proves("pins-full")
        .sized(Geometry { pins: 1, ..Geometry::ROOMY })
        .at(site)
        .opens(one, A, one.first(), &[])
        .returns(one, A, one.answer(A), &[])
        .goes(one, A, one.data(), PROOF)
        .opens(two, A, two.first(), &[])
        .returns(two, A, two.answer(A), &[])
        .goes(two, A, two.data(), &[SessionNew, PinsFull])
        // The session is kept, among the unproven.
        .slots(site, [B; 2])
        .opens(Conn { taken: 2, port: 40_009, ..two }, A, Conn { port: 40_009, ..two }.first(), &[])
}

/// Three strangers and a proven client fill the bucket; strangers make room for strangers.
fn strangers_first() -> Row {
    let site = Site::WEB;
    let proven = nth(site, 0);
    let mut row = Row::new("strangers are displaced before a proven client")
        .proves("flow-displaced")
        .sized(ONE_BUCKET)
        .at(site)
        .opens(proven, A, proven.first(), &[])
        .returns(proven, A, proven.answer(A), &[])
        .goes(proven, A, proven.data(), PROOF);
    for number in 1..4 {
        let stranger = nth(site, number);
        row = row.opens(stranger, A, stranger.first(), &[]);
    }
    for number in 4..12 {
        let stranger = nth(site, number);
        row = row.opens(stranger, A, stranger.first(), &[FlowDisplacedStranger]);
    }
    row.goes(proven, A, proven.data(), &[])
}

fn proven_at_last() -> Row {
    let site = Site::WEB;
    let mut row = Row::new("a bucket of proven clients gives up one of them")
        .proves("proven-displaced")
        .sized(ONE_BUCKET)
        .at(site);
    for number in 0..4 {
        let conn = nth(site, number);
        row = row.opens(conn, A, conn.first(), &[]).returns(conn, A, conn.answer(A), &[]).goes(
            conn,
            A,
            conn.data(),
            PROOF,
        );
    }
    let fifth = nth(site, 4);
    row.opens(fifth, A, fifth.first(), &[FlowDisplacedProven])
}

/// Without its flow a connection in `dsr` is found by its session, in the middle.
fn displaced_goes_on() -> Row {
    let site = Site::new(Family::V6, false, Forwarding::Dsr);
    let nth = |number| site.conn(number).by(&format!("2001:db8:c::{number:x}"));
    let conn = nth(0);
    let mut row = Row::new("a displaced connection is found again by its session")
        .proves("flow-displaced")
        .sized(ONE_BUCKET)
        .at(site)
        .opens(conn, A, conn.first(), &[])
        .goes(conn, A, conn.data(), &[SessionNew])
        .slots(site, [B; 2]);
    for number in 1..4 {
        let stranger = nth(number);
        row = row.opens(stranger, B, stranger.data(), &[TcpMidstream]);
        row = row.goes(stranger, B, stranger.data(), &[SessionNew]);
    }
    let fifth = nth(4);
    row.opens(fifth, B, fifth.first(), &[FlowDisplacedStranger]).opens(
        conn,
        A,
        conn.data(),
        &[TcpMidstream, FlowDisplacedStranger],
    )
}

/// Where clients' addresses are kept a connection takes two entries; those of strangers give way to a
/// proven client's, the entries of their replies too.
fn strangers_replies() -> Row {
    let site = Site { forwarding: Forwarding::NatPreserve, ..Site::WEB };
    let proven = nth(site, 0);
    let mut row = Row::new("strangers' ways back never displace a proven client")
        .proves("flow-displaced")
        .sized(ONE_BUCKET)
        .at(site)
        .opens(proven, A, proven.first(), &[])
        .returns(proven, A, proven.answer(A), &[])
        .goes(proven, A, proven.data(), PROOF);
    let first = nth(site, 1);
    row = row.opens(first, A, first.first(), &[]);
    for number in 2..8 {
        let stranger = nth(site, number);
        row = row.opens(stranger, A, stranger.first(), &[FlowDisplacedStranger, FlowDisplacedStranger]);
    }
    row.goes(proven, A, proven.data(), &[]).returns(proven, A, proven.answers(A, ACK, b"still here"), &[])
}

/// A connection that was closed makes room before strangers do, and is no loss.
fn closed_first() -> Row {
    let site = Site { forwarding: Forwarding::Dsr, ..Site::WEB };
    let closed = nth(site, 0);
    let mut row = Row::new("a closed connection makes room first")
        .proves("closed-displaced")
        .sized(ONE_BUCKET)
        .at(site)
        .opens(closed, A, closed.first(), &[])
        .goes(closed, A, closed.fin(), &[]);
    for number in 1..5 {
        let conn = nth(site, number);
        row = row.opens(conn, A, conn.first(), &[]);
    }
    for number in 1..5 {
        let conn = nth(site, number);
        row = row.goes(conn, A, conn.first(), &[]);
    }
    row
}
