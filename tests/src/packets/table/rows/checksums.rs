//! The corners of one's-complement arithmetic, and lengths.

use lb_common::{
    reason::Reason,
    state::Forwarding::{Nat, NatPreserve},
};

use super::{
    super::{A, ACK, Datagram, Family, Row, SEQUENCE, Site, Transport},
    FAMILIES, sites,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for family in FAMILIES {
        rows.extend([Nat, NatPreserve].map(|mode| unsummed(Site::new(family, true, mode))));
        // The client's address is kept, so that both checksums are known beforehand.
        for udp in [false, true] {
            rows.extend(tuned(Site::new(family, udp, NatPreserve)));
        }
    }
    for site in sites().filter(|site| !site.forwarding.is_direct()) {
        rows.push(words(site));
        rows.push(lengths(site));
    }
    rows
}

fn first_events(site: Site) -> &'static [Reason] {
    if site.udp { &[Reason::SessionNew] } else { &[Reason::TcpMidstream] }
}

/// UDP without a checksum stays without, both ways.
fn unsummed(site: Site) -> Row {
    let conn = site.conn(0);
    let bare = |datagram: Datagram| Datagram { transport: Transport::UdpUnsummed, ..datagram };
    Row::new(format!("{}: no checksum stays none", site.name()))
        .proves("udp-unsummed")
        .at(site)
        .opens(conn, A, bare(conn.first()), first_events(site))
        .returns(conn, A, bare(conn.answer(A)), &[])
}

/// Payloads that bring a checksum to a corner, before or after the rewriting.
fn tuned(site: Site) -> Vec<Row> {
    let conn = site.conn(0);
    // UDP can't say 0x0000 (RFC 768) and TCP has no way to come to 0xffff: its header is never all zero.
    let corner = if site.udp { 0xffff } else { 0x0000 };
    let row = |what: &str| Row::new(format!("{}: {what}", site.name())).proves("checksum-corners").at(site);
    let to = |datagram: &Datagram| conn.forwarded(A, datagram.clone());
    let back = |datagram: &Datagram| conn.returned(datagram.clone());
    let own = Datagram::clone;
    let sent = |seen: &dyn Fn(&Datagram) -> Datagram, wanted| tune(&conn.data(), seen, wanted);
    let answered =
        |seen: &dyn Fn(&Datagram) -> Datagram, wanted| tune(&conn.answers(A, ACK, b""), seen, wanted);
    let mut rows = Vec::new();
    for (name, wanted) in [("the zero sum", corner), ("0x0001", 1), ("0xfffe", 0xfffe)] {
        rows.push(
            row(&format!("{name} comes in")).opens(conn, A, sent(&own, wanted), first_events(site)).returns(
                conn,
                A,
                answered(&own, wanted),
                &[],
            ),
        );
        rows.push(
            row(&format!("{name} goes out")).opens(conn, A, sent(&to, wanted), first_events(site)).returns(
                conn,
                A,
                answered(&back, wanted),
                &[],
            ),
        );
    }
    rows
}

/// The datagram with two bytes of payload such that `seen` of it has the checksum `wanted`.
fn tune(datagram: &Datagram, seen: &dyn Fn(&Datagram) -> Datagram, wanted: u16) -> Datagram {
    let sum = |word: u16| seen(&datagram.clone().carrying(word.to_be_bytes())).checksum(&[]);
    // One's complement: the checksum falls by what the word grows.
    let total = u32::from(sum(0)) + u32::from(!wanted);
    let word = ((total & 0xffff) + (total >> 16)) as u16;
    let word = [word, !word, word.wrapping_add(1), 0xffff, 0].into_iter().find(|&word| sum(word) == wanted);
    datagram.clone().carrying(word.expect("some word brings any sum about").to_be_bytes())
}

/// Payloads of nothing but zeros, or ones.
fn words(site: Site) -> Row {
    let conn = site.conn(0);
    Row::new(format!("{}: all zeros and all ones", site.name()))
        .proves("checksum-corners")
        .at(site)
        .opens(conn, A, conn.says(ACK, &[0; 64]), first_events(site))
        .returns(conn, A, conn.answers(A, ACK, &[0; 33]), &[])
        .returns(conn, A, conn.answers(A, ACK, &[0xff; 64]), &[])
        .goes(
            conn,
            A,
            conn.says(ACK, &[0xff; 65]).acknowledging(SEQUENCE + 64),
            if site.udp { &[Reason::SessionProven] } else { &[Reason::SessionNew, Reason::SessionProven] },
        )
}

/// From nothing to a full frame, odd and even.
fn lengths(site: Site) -> Row {
    let conn = site.conn(0);
    let most = if site.family == Family::V4 { 1460 } else { 1440 };
    let payload: Vec<u8> = (0..most).map(|at| (at * 31) as u8).collect();
    let mut row = Row::new(format!("{}: lengths, odd and even", site.name()))
        .proves("lengths")
        .at(site)
        .opens(conn, A, conn.says(ACK, b""), first_events(site))
        .returns(conn, A, conn.answer(A), &[])
        .goes(
            conn,
            A,
            conn.data(),
            if site.udp { &[Reason::SessionProven] } else { &[Reason::SessionNew, Reason::SessionProven] },
        );
    for length in [1, 2, 3, 555, most - 1, most] {
        row = row.goes(conn, A, conn.says(ACK, &payload[..length]), &[]).returns(
            conn,
            A,
            conn.answers(A, ACK, &payload[..length]),
            &[],
        );
    }
    row
}
