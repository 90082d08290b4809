//! What an ICMP error quotes: much or little, decorated or not.

use super::{
    super::{A, ACK, B, Conn, Datagram, IcmpError, RST, Row, SYN, Site, Transport, Which},
    opened, sites,
};

/// Bytes of transport header and payload: ports and no more, TCP's checksum cut off, and there.
const LENGTHS: [usize; 7] = [8, 9, 16, 18, 20, 28, 1400];

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites().filter(|site| !site.forwarding.is_tunnel()) {
        let odd = |length| move |datagram: Datagram| datagram.carrying(vec![0x3c; length]);
        rows.push(row(site, "quotes of any length", "error-quote", odd(1401)));
        rows.push(row(site, "quotes of a short packet", "error-quote", odd(1)));
        rows.push(row(site, "quotes of a fragment", "error-fragment", |datagram| {
            datagram.piece(6, 0, 56, true)
        }));
        rows.push(row(site, "quotes with options", "error-options", move |mut datagram| {
            if datagram.is_v4() {
                datagram.ip_options = vec![0x94, 4, 0, 0, 1, 1, 1, 0];
                return datagram;
            }
            datagram.extended(&[(0, vec![0, 1, 4, 0, 0, 0, 0]), (60, vec![0, 1, 4, 0, 0, 0, 0])])
        }));
        rows.push(tagged(site));
        rows.push(phases(site));
        if site.udp {
            rows.push(row(site, "quotes without a checksum", "error-unsummed", |datagram| Datagram {
                transport: Transport::UdpUnsummed,
                ..datagram
            }));
        } else {
            rows.push(row(site, "quotes with TCP options", "error-options", |datagram| Datagram {
                timestamps: true,
                ..datagram
            }));
        }
    }
    rows
}

/// The two ways of an error about a packet that `change` makes of an ordinary one, in all lengths.
fn row(site: Site, what: &str, id: &str, change: impl Fn(Datagram) -> Datagram) -> Row {
    let conn = site.conn(0);
    let mut row =
        opened(Row::new(format!("{}: {what}", site.name())).proves(id).at(site).slots(site, [B; 2]), conn, B);
    for bytes in LENGTHS {
        let with = |error: IcmpError| IcmpError { about: change(error.about), ..error }.quoting(bytes);
        row = both(row, conn, B, with, b"a packet of some length, so that something can be cut");
    }
    row
}

fn both(row: Row, conn: Conn, which: Which, with: impl Fn(IcmpError) -> IcmpError, payload: &[u8]) -> Row {
    let answer = conn.answers(which, ACK, payload);
    let row = row.tells_backend(conn, which, &with(conn.complaint_outside(answer)));
    if conn.site.forwarding.is_direct() {
        return row;
    }
    row.tells_client(conn, which, &with(conn.complaint_inside(which, conn.says(ACK, payload))))
}

fn tagged(site: Site) -> Row {
    let conn = site.conn(0);
    let row =
        opened(Row::new(format!("{}: tagged errors", site.name())).proves("error-tagged").at(site), conn, A);
    let row = both(row, conn, A, |error| error.tagged(&[[0x8100, 5]]), b"x");
    both(row, conn, A, |error| error.tagged(&[[0x88a8, 5], [0x8100, 6]]), &[1; 1300])
}

/// Errors about first packets, and after the end.
fn phases(site: Site) -> Row {
    let conn = site.conn(0);
    let row = Row::new(format!("{}: errors in all phases", site.name())).proves("error-phases").at(site);
    let row = row.opens(conn, A, conn.first(), super::on_first(site));
    let row = if site.forwarding.is_direct() {
        row
    } else {
        let first = conn.complaint_inside(A, conn.first());
        row.tells_client(conn, A, &first).returns(conn, A, conn.answer(A), &[])
    };
    let row = row.tells_backend(conn, A, &conn.complaint_outside(conn.answers(A, SYN | ACK, b"")));
    if site.udp {
        return row;
    }
    // Nothing is renewed, and nothing ends by an error about it.
    let reset = conn.complaint_outside(conn.answers(A, RST, b""));
    row.tells_backend(conn, A, &reset).goes(conn, A, conn.says(RST, b""), &[]).tells_backend(conn, A, &reset)
}
