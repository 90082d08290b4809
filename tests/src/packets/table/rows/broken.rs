//! Frames that end early, lengths that lie, fragments and extension headers: dropped by name where
//! they are for a service, passed where they are not.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv6FragmentHeader};
use lb_common::{
    reason::Reason::{self, ExtensionHeader, FragmentOrphan, Malformed, NotOurs, OtherProtocol},
    state::Forwarding::Dsr,
};

use super::{
    super::{A, Datagram, Family, Row, Site, mac},
    FAMILIES, sites,
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for site in sites().filter(|site| site.forwarding == Dsr) {
        rows.extend(truncated(site));
        rows.push(transport_lies(site));
    }
    for family in FAMILIES {
        rows.extend(lies(Site::new(family, false, Site::WEB.forwarding)));
    }
    rows.extend(fragments());
    rows.extend(extensions());
    rows.extend(protocols());
    rows
}

/// The same bytes to an address that is no service's.
fn to_other(site: Site, mut frame: Vec<u8>) -> Vec<u8> {
    let last = if site.family == Family::V4 { 14 + 19 } else { 14 + 39 };
    if let Some(byte) = frame.get_mut(last) {
        *byte ^= 0x40;
    }
    frame
}

/// The frame to the service meets `reason`; the same to another address passes.
fn ours_or_not(id: &str, name: String, site: Site, frame: Vec<u8>, reason: Reason) -> Row {
    let other = to_other(site, frame.clone());
    Row::new(name).proves(id).at(site).ends(frame, reason).ends(other, NotOurs)
}

fn kind(site: Site) -> String {
    site.name().trim_end_matches(" dsr").to_owned()
}

/// Cut at every header's end and in its middle.
fn truncated(site: Site) -> Vec<Row> {
    let whole = site.conn(0).data().build(&[]);
    let ip = if site.family == Family::V4 { 20 } else { 40 };
    let transport = if site.udp { 8 } else { 20 };
    let row = |id, what: &str, length: usize, reason| {
        let name = format!("{}: cut {what}", kind(site));
        ours_or_not(id, name, site, whole[..length].to_vec(), reason)
    };
    vec![
        // Nobody can say whom these are for.
        row("ip-header-cut", "in the middle of the IP header", 14 + ip / 2, NotOurs),
        row("ip-header-cut", "one byte before the IP header ends", 14 + ip - 1, NotOurs),
        row("transport-cut", "where the IP header ends", 14 + ip, Malformed),
        row("transport-cut", "in the middle of the transport header", 14 + ip + transport / 2, Malformed),
        row("transport-cut", "one byte before the transport header ends", 14 + ip + transport - 1, Malformed),
        row("packet-cut", "where the transport header ends", 14 + ip + transport, Malformed),
        row("packet-cut", "one byte before the packet ends", whole.len() - 1, Malformed),
    ]
}

/// Lengths in the IP header that can't be.
fn lies(site: Site) -> Vec<Row> {
    let whole = site.conn(0).data().build(&[]);
    let patched = |at: usize, bytes: &[u8]| {
        let mut frame = whole.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let length = (whole.len() - 14) as u16;
    let row = |id, what: &str, frame| ours_or_not(id, what.to_owned(), site, frame, Malformed);
    if site.family == Family::V6 {
        let payload = |bytes: u16| patched(18, &bytes.to_be_bytes());
        return vec![
            row("v6-version", "v6: version 4 in an IPv6 frame", patched(14, &[0x42])),
            row("v6-jumbogram", "v6: no payload, as a jumbogram says", payload(0)),
            row("v6-payload-length", "v6: a payload shorter than a TCP header", payload(19)),
            row("v6-payload-length", "v6: a payload longer than the frame", payload(length - 40 + 1)),
        ];
    }
    let total = |bytes: u16| patched(16, &bytes.to_be_bytes());
    vec![
        row("v4-version", "v4: version 6 in an IPv4 frame", patched(14, &[0x65])),
        row("v4-header-length", "v4: a header of four words", patched(14, &[0x44])),
        row("v4-header-length", "v4: a header of no words", patched(14, &[0x40])),
        row("v4-header-length", "v4: a header longer than the packet", patched(14, &[0x4f])),
        row("v4-total-length", "v4: a total length of zero", total(0)),
        row("v4-total-length", "v4: a total length within the header", total(19)),
        row("v4-total-length", "v4: a total length of the header alone", total(20)),
        row("v4-total-length", "v4: a total length within the TCP header", total(39)),
        row("v4-total-length", "v4: a total length beyond the frame", total(length + 1)),
        row("v4-total-length", "v4: the largest total length", total(0xffff)),
    ]
}

/// What the transport header says of its own length is the backend's to judge.
fn transport_lies(site: Site) -> Row {
    let conn = site.conn(0);
    let (frame, out) = (conn.data().build(&[]), conn.forwarded(A, conn.data()).build(&[]));
    let at = conn.data().transport_offset();
    let lie = |mut frame: Vec<u8>| {
        if site.udp {
            frame[at + 4..at + 6].copy_from_slice(&[0, 7]);
        } else {
            frame[at + 12] = 0x40;
        }
        frame
    };
    let events: &[Reason] = if site.udp { &[Reason::SessionNew] } else { &[Reason::TcpMidstream] };
    Row::new(format!("{}: a transport length that lies is sent on", kind(site)))
        .proves("transport-length")
        .at(site)
        .raw(site, A, lie(frame), lie(out), events)
}

fn fragments() -> Vec<Row> {
    let v4 = Site::WEB;
    let whole = v4.conn(0).data().build(&[]);
    let row = |what: &str, bits: u16| {
        let mut frame = whole.clone();
        frame[20..22].copy_from_slice(&bits.to_be_bytes());
        ours_or_not("v4-orphan", format!("v4: {what}"), v4, frame, FragmentOrphan)
    };
    let mut rows = vec![
        row("a fragment in the middle", 0x2000 | 64),
        row("a last fragment", 64),
        row("a fragment of the last offset", 0x1fff),
    ];
    let mut reserved = v4.conn(0).data().build(&[]);
    reserved[20] |= 0x80;
    let out = {
        let dsr = Site { forwarding: Dsr, ..v4 };
        let mut out = dsr.conn(0).forwarded(A, dsr.conn(0).data()).build(&[]);
        out[20] |= 0x80;
        out
    };
    rows.push(
        Row::new("v4: the reserved bit makes no fragment")
            .proves("v4-reserved-bit")
            .at(Site { forwarding: Dsr, ..v4 })
            .raw(Site { forwarding: Dsr, ..v4 }, A, reserved, out, &[Reason::TcpMidstream]),
    );
    let v6 = Site::new(Family::V6, false, v4.forwarding);
    let header = Ipv6FragmentHeader::new(IpNumber::TCP, 9.try_into().expect("13 bits"), true, 7).to_bytes();
    rows.push(ours_or_not(
        "v6-orphan",
        "v6: a later fragment".to_owned(),
        v6,
        with_extension(&v6.conn(0).data(), IpNumber::IPV6_FRAGMENTATION_HEADER, &header),
        FragmentOrphan,
    ));
    rows
}

/// The packet with an extension header before the transport.
fn with_extension(datagram: &Datagram, number: IpNumber, header: &[u8]) -> Vec<u8> {
    let mut frame = datagram.build(&[]);
    frame[20] = number.0;
    let payload = u16::from_be_bytes([frame[18], frame[19]]) + header.len() as u16;
    frame[18..20].copy_from_slice(&payload.to_be_bytes());
    frame.splice(54..54, header.iter().copied());
    frame
}

fn extensions() -> Vec<Row> {
    let site = Site::new(Family::V6, false, Site::WEB.forwarding);
    let kinds = [
        ("v6-routing", "a routing header", IpNumber::IPV6_ROUTE_HEADER),
        ("v6-authentication", "an authentication header", IpNumber::AUTHENTICATION_HEADER),
        ("v6-mobility", "a mobility header", IpNumber::MOBILITY_HEADER),
    ];
    let header = [IpNumber::TCP.0, 0, 1, 4, 0, 0, 0, 0];
    kinds
        .into_iter()
        .map(|(id, name, number)| {
            let frame = with_extension(&site.conn(0).data(), number, &header);
            ours_or_not(id, format!("v6: {name}"), site, frame, ExtensionHeader)
        })
        .collect()
}

/// Protocols without ports that we know.
fn protocols() -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, name, number) in [
        ("gre", "GRE", 47),
        ("esp", "ESP", 50),
        ("sctp", "SCTP", 132),
        ("no-next-header", "no next header", 59),
        ("ipip", "IPIP", 4),
        ("unknown-protocol", "an unassigned one", 200),
    ] {
        let mut row = Row::new(format!("{name} to a service address passes")).proves(id);
        for family in FAMILIES {
            let site = Site { number: family as u8, ..Site::new(family, false, Site::WEB.forwarding) };
            let builder = etherparse::PacketBuilder::ethernet2(mac::ROUTER, mac::OURS);
            let mut frame = Vec::new();
            match (site.conn(0).client, site.address()) {
                (IpAddr::V4(from), IpAddr::V4(to)) => builder.ipv4(from.octets(), to.octets(), 64),
                (IpAddr::V6(from), IpAddr::V6(to)) => builder.ipv6(from.octets(), to.octets(), 64),
                _ => unreachable!("one family"),
            }
            .write(&mut frame, IpNumber(number), &[0x5a; 24])
            .expect("a Vec");
            let other = to_other(site, frame.clone());
            row = row.at(site).ends(frame, OtherProtocol).ends(other, NotOurs);
        }
        rows.push(row);
    }
    rows
}
