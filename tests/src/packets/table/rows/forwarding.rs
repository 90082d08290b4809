//! Every family, protocol and forwarding mode: first packet, answer, what follows, the end.

use lb_common::{reason::Reason, state::Forwarding};

use super::{
    super::{A, ACK, B, Conn, Datagram, Family, RST, Row, Side, Site},
    on_first, on_proof, on_second, sites,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites() {
        rows.push(first(site));
        rows.push(answer(site));
        rows.push(established(site));
        rows.push(redirected(site));
        if !site.udp {
            rows.push(closed_by_client(site));
            rows.push(closed_at_first(site));
            if !site.forwarding.is_direct() {
                rows.push(refused(site));
                rows.push(asked_again(site));
                rows.push(aborted(site));
            }
        }
    }
    rows.extend(decorated());
    rows
}

fn row(site: Site, what: &str) -> Row {
    Row::new(format!("{}: {what}", site.name())).proves(site.row()).at(site)
}

fn first(site: Site) -> Row {
    let conn = site.conn(0);
    row(site, "the first packet opens a connection").proves("new-connection").opens(
        conn,
        A,
        conn.first(),
        on_first(site),
    )
}

fn answer(site: Site) -> Row {
    let conn = site.conn(0);
    let row = row(site, "the answer goes back to the client").proves(site.reply_row()).opens(
        conn,
        A,
        conn.first(),
        on_first(site),
    );
    if site.forwarding.is_direct() {
        // It goes straight to the client; one that comes by is somebody else's.
        return row.ends(conn.answer(A), Reason::NotOurs);
    }
    row.returns(conn, A, conn.answer(A), &[]).returns(conn, A, conn.answers(A, ACK, b"and more!"), &[])
}

fn established(site: Site) -> Row {
    let conn = site.conn(0);
    let row = row(site, "a client that comes back is proven").proves("proven").opens(
        conn,
        A,
        conn.first(),
        on_first(site),
    );
    if site.forwarding.is_direct() {
        // No answer is seen; traffic in a later tick stands in for one.
        return row
            .goes(conn, A, conn.says(ACK, b"two"), on_second(site))
            .wait(1)
            .goes(conn, A, conn.data(), &[Reason::SessionProven])
            .goes(conn, A, conn.data(), &[]);
    }
    row.goes(conn, A, conn.says(ACK, b"two"), on_second(site))
        .returns(conn, A, conn.answer(A), &[])
        .goes(conn, A, conn.data(), &[Reason::SessionProven])
        .goes(conn, A, conn.data(), &[])
        .returns(conn, A, conn.answers(A, ACK, b"fine"), &[])
}

fn redirected(site: Site) -> Row {
    let conn = site.conn(0);
    let row = row(site, "by another interface and back").proves("redirect").slots(site, [B, B]).opens(
        conn,
        B,
        conn.first(),
        on_first(site),
    );
    if site.forwarding.is_direct() {
        return row.goes(conn, B, conn.data(), on_second(site));
    }
    row.proves("redirect-reply").returns(conn, B, conn.answer(B), &[]).goes(
        conn,
        B,
        conn.data(),
        on_proof(site),
    )
}

fn closed_by_client(site: Site) -> Row {
    let conn = site.conn(0);
    let again = Conn { taken: 1, ..conn };
    row(site, "a SYN after a FIN starts afresh")
        .proves("syn-after-end")
        .opens(conn, A, conn.first(), &[])
        .goes(conn, A, conn.data(), &[Reason::SessionNew])
        .goes(conn, A, conn.fin(), &[])
        .goes(conn, A, conn.says(ACK, b""), &[])
        .opens(again, A, again.first(), &[])
}

/// A late RST, as after a restart, looks like a connection for one packet.
fn closed_at_first(site: Site) -> Row {
    let conn = site.conn(0);
    let again = Conn { taken: 1, ..conn };
    row(site, "a SYN after a RST out of nowhere starts afresh")
        .proves("late-end")
        .opens(conn, A, conn.says(RST, b""), &[Reason::TcpMidstream])
        .opens(again, A, again.first(), &[])
}

fn refused(site: Site) -> Row {
    let conn = site.conn(0);
    let again = Conn { taken: 1, ..conn };
    row(site, "a SYN after the backend's RST starts afresh")
        .proves("syn-after-end")
        .opens(conn, A, conn.first(), &[])
        .returns(conn, A, conn.answers(A, RST | ACK, b""), &[])
        .opens(again, A, again.first(), &[])
        .returns(again, A, again.answer(A), &[])
        .goes(again, A, again.data(), &[Reason::SessionNew, Reason::SessionProven])
}

/// The backend answers for an older connection from the same port, and the client's reset ends that: its SYN comes again,
/// and is no connection of its own.
fn asked_again(site: Site) -> Row {
    let conn = site.conn(0);
    let reset = Datagram { acknowledged: 0, ..conn.says(RST, b"") };
    row(site, "a SYN after the client's RST to the first answer asks again")
        .proves("syn-after-refusal")
        .opens(conn, A, conn.first(), &[])
        .returns(conn, A, conn.answers(A, ACK, b""), &[])
        .goes(conn, A, reset, &[])
        .goes(conn, A, conn.first(), &[])
        .returns(conn, A, conn.answer(A), &[])
        .goes(conn, A, conn.data(), &[Reason::SessionNew, Reason::SessionProven])
}

/// A client breaks off while the backend still sends, and connects again from the same port.
fn aborted(site: Site) -> Row {
    let conn = site.conn(0);
    let again = Conn { taken: 1, ..conn };
    row(site, "a SYN after a RST starts afresh, though the backend went on for a while")
        .proves("syn-after-end")
        .opens(conn, A, conn.first(), &[])
        .returns(conn, A, conn.answer(A), &[])
        .goes(conn, A, conn.data(), &[Reason::SessionNew, Reason::SessionProven])
        .goes(conn, A, conn.says(RST, b""), &[])
        .returns(conn, A, conn.answers(A, ACK, b"in flight"), &[])
        .opens(again, A, again.first(), &[])
}

/// Headers with more in them than the shortest, and shortest frames.
fn decorated() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites() {
        let conn = site.conn(0);
        if site.family == Family::V4 {
            // Record route, with room for two, and an end of options.
            let mut options = conn.first();
            options.ip_options = vec![7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let mut most = conn.data();
            most.ip_options = vec![1; 40];
            rows.push(
                row(site, "IPv4 options are kept")
                    .proves("v4-options")
                    .opens(conn, A, options, on_first(site))
                    .goes(conn, A, most, on_second(site)),
            );
        }
        if !site.udp {
            let mut timestamps = conn.first();
            timestamps.timestamps = true;
            rows.push(row(site, "TCP options are kept").proves("tcp-options").opens(
                conn,
                A,
                timestamps,
                &[],
            ));
        }
    }
    let site = Site::WEB;
    let conn = site.conn(0);
    let mut padded = conn.first();
    padded.padding = 6;
    let mut answer = conn.answer(A);
    answer.padding = 6;
    rows.push(
        Row::new("Ethernet padding is kept and not counted")
            .proves("padding")
            .at(site)
            .opens(conn, A, padded, &[])
            .returns(conn, A, answer, &[]),
    );
    // 8080 lies in the range of source ports: each packet may be a reply at first sight.
    let site = Site { port: 8080, ..Site::WEB };
    let conn = site.conn(0);
    rows.push(
        Row::new("a service's port may lie among the source ports")
            .proves("port-among-sources")
            .at(site)
            .opens(conn, A, conn.first(), &[])
            .returns(conn, A, conn.answer(A), &[])
            .goes(conn, A, conn.data(), &[Reason::SessionNew, Reason::SessionProven]),
    );
    // The same for a client's port, where it is kept.
    for udp in [false, true] {
        let site = Site::new(Family::V4, udp, Forwarding::NatPreserve);
        let conn = Conn { port: 5000, ..site.conn(0) };
        rows.push(
            Row::new(format!("{}: the client's port may lie among the source ports", site.name()))
                .proves("port-among-sources")
                .at(site)
                .opens(conn, A, conn.first(), on_first(site))
                .returns(conn, A, conn.answer(A), &[])
                .ends_with(Conn { port: 5001, ..conn }.answer(A), Side::Outside, Reason::NotOurs, &[]),
        );
    }
    rows
}
