//! IPv6 extension headers: followed up to the transport header, and kept.

use lb_common::reason::Reason::{ExtensionHeader, Malformed, NotOurs, OtherProtocol, TcpMidstream};

use super::{
    super::{A, ACK, B, Datagram, End, Family, Row, Site, Which},
    MODES, on_first, on_proof, on_second,
};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ESP: u8 = 50;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites() {
        rows.push(both_ways(site, "v6-hop-by-hop", "hop-by-hop options", &[options(HOP_BY_HOP, 0)], A));
        rows.push(both_ways(
            site,
            "v6-destination",
            "long destination options",
            &[options(DESTINATION, 9)],
            B,
        ));
        rows.push(both_ways(site, "v6-routed", "a routing header that is used up", &[routing(0)], A));
        rows.push(both_ways(site, "v6-atomic", "a fragment header that makes no fragment", &[atomic(0)], B));
        rows.push(both_ways(site, "v6-atomic", "with reserved bits set", &[atomic(6)], A));
        rows.push(both_ways(
            site,
            "v6-several",
            "six extension headers",
            &[
                options(HOP_BY_HOP, 0),
                options(DESTINATION, 1),
                routing(0),
                atomic(0),
                options(DESTINATION, 0),
                options(DESTINATION, 2),
            ],
            B,
        ));
        rows.push(refused(site));
        rows.push(lies(site));
    }
    rows
}

fn sites() -> impl Iterator<Item = Site> {
    [false, true].into_iter().flat_map(|udp| MODES.map(|mode| Site::new(Family::V6, udp, mode)))
}

/// Options that are padding, in `words` words beyond the first.
fn options(number: u8, words: u8) -> (u8, Vec<u8>) {
    let mut rest = vec![words, 1, 4 + 8 * (words % 31)];
    rest.resize(7 + 8 * usize::from(words), 0);
    (number, rest)
}

fn routing(left: u8) -> (u8, Vec<u8>) {
    (ROUTING, vec![0, 4, left, 0, 0, 0, 0])
}

fn atomic(reserved: u8) -> (u8, Vec<u8>) {
    (FRAGMENT, vec![0, 0, reserved, 1, 2, 3, 4])
}

fn both_ways(site: Site, id: &str, what: &str, chain: &[(u8, Vec<u8>)], which: Which) -> Row {
    let conn = site.conn(0);
    let with = |datagram: Datagram| datagram.extended(chain);
    let other = End { address: site.server(B).0, ..conn.first().destination };
    let row = Row::new(format!("{}: {what}", site.name()))
        .proves(id)
        .at(site)
        .slots(site, [which; 2])
        .ends(with(Datagram { destination: other, ..conn.first() }), NotOurs)
        .opens(conn, which, with(conn.first()), on_first(site));
    let row = if site.forwarding.is_direct() {
        row.goes(conn, which, with(conn.data()), on_second(site))
    } else {
        row.returns(conn, which, with(conn.answer(which)), &[]).goes(
            conn,
            which,
            with(conn.data()),
            on_proof(site),
        )
    };
    row.goes(conn, which, conn.data(), &[])
}

/// Chains that are not followed, to a service and to another.
fn refused(site: Site) -> Row {
    let conn = site.conn(0);
    let seven: Vec<_> = (0..7).map(|_| options(DESTINATION, 0)).collect();
    let mut row = Row::new(format!("{}: extension headers that are not followed", site.name()))
        .proves("v6-routing")
        .proves("v6-chain")
        .proves("v6-authentication")
        .proves("v6-mobility")
        .at(site);
    for chain in [
        seven,
        vec![routing(1)],
        vec![options(HOP_BY_HOP, 0), routing(255)],
        vec![(AUTHENTICATION, vec![1, 0, 0, 0, 0, 0, 0])],
        vec![options(DESTINATION, 0), (MOBILITY, vec![0; 7])],
        vec![(HOST_IDENTITY, vec![0; 7])],
        vec![(SHIM6, vec![0; 7])],
        // A fragment of a fragment.
        vec![atomic(0), (FRAGMENT, vec![0, 0, 1, 1, 2, 3, 4]), (FRAGMENT, vec![0, 0, 1, 1, 2, 3, 4])],
        // The transport header would begin at 54 + 208 = 262.
        vec![options(DESTINATION, 25)],
        vec![options(HOP_BY_HOP, 12), options(DESTINATION, 12)],
        vec![options(DESTINATION, 255)],
    ] {
        let frame = conn.data().extended(&chain);
        let other = End { address: site.server(B).0, ..frame.destination };
        row =
            row.ends(frame.clone(), ExtensionHeader).ends(Datagram { destination: other, ..frame }, NotOurs);
    }
    // 54 + 200 is as far as a transport header may be.
    let far = conn.says(ACK, b"far away").extended(&[options(DESTINATION, 24)]);
    let events: &[_] = if site.udp { on_first(site) } else { &[TcpMidstream] };
    row.opens(conn, A, far, events)
}

/// Lengths that lead elsewhere than to a transport header, and what has none.
fn lies(site: Site) -> Row {
    let conn = site.conn(0);
    let whole = conn.data().extended(&[options(DESTINATION, 0)]);
    let mut longer = whole.build(&[]);
    longer[55] = 7;
    let mut beyond = whole.build(&[]);
    beyond[55] = 20;
    let encrypted = {
        let mut frame = whole.build(&[]);
        frame[54] = ESP;
        frame
    };
    let nothing = {
        let mut frame = whole.build(&[]);
        frame[54] = 59;
        frame
    };
    // The chain ends with the packet, and padding follows that looks like more of it.
    let padded = {
        let mut frame = whole.build(&[]);
        frame[18..20].copy_from_slice(&[0, 8]);
        frame
    };
    let cut = whole.build(&[])[..58].to_vec();
    Row::new(format!("{}: extension headers that lead nowhere", site.name()))
        .proves("v6-chain-lies")
        .proves("esp")
        .at(site)
        .ends(longer, Malformed)
        .ends(beyond, Malformed)
        .ends(padded, Malformed)
        .ends(cut, Malformed)
        .ends(encrypted, OtherProtocol)
        .ends(nothing, OtherProtocol)
}
