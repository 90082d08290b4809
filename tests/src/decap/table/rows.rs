//! The rows: good packets, and good packets for somebody else. Bad ones are in `broken`.

use etherparse::EtherType;
use lb_common::decap::Reason;

use super::{
    Family::{self, V4, V6},
    Fate, Fragment, Frame, Row, Tunnel, broken,
};

/// Outer and inner families that are unwrapped.
pub(super) const PAIRS: [(Family, Family); 3] = [(V4, V4), (V6, V6), (V6, V4)];

/// Every tunnel of every pair, with its name.
pub fn frames() -> impl Iterator<Item = (String, Frame)> {
    PAIRS.into_iter().flat_map(|(outer, inner)| {
        let frame = move |(name, tunnel)| {
            (format!("{inner:?} in {outer:?} by {name}"), Frame::new(outer, inner, tunnel))
        };
        Tunnel::all(inner).into_iter().map(frame)
    })
}

/// All rows.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, frame) in frames() {
        unwrapped(&mut rows, &name, &frame);
        for_others(&mut rows, &name, &frame);
        fragments(&mut rows, &name, &frame);
        congestion(&mut rows, &name, &frame);
        broken::each(&mut rows, &name, &frame);
    }
    untouched(&mut rows);
    broken::once(&mut rows);
    rows
}

/// A frame that is unwrapped without a change to the inner packet.
fn good(rows: &mut Vec<Row>, name: String, frame: &Frame) {
    let fate = Fate::Unwrapped(frame.unwrapped(frame.inner.ecn));
    rows.push(Row { name, frame: frame.build(), fate });
}

/// A frame that is passed or dropped.
pub(super) fn ends(rows: &mut Vec<Row>, name: String, frame: Vec<u8>, reason: Reason) {
    rows.push(Row { name, frame, fate: Fate::Ends(reason) });
}

fn unwrapped(rows: &mut Vec<Row>, name: &str, frame: &Frame) {
    good(rows, name.to_owned(), frame);
    let tags = [EtherType::VLAN_TAGGED_FRAME, EtherType::PROVIDER_BRIDGING];
    for tag in tags {
        good(rows, format!("{name}, tagged {tag:?}"), &Frame { tags: vec![tag], ..frame.clone() });
    }
    let [customer, service] = tags;
    good(rows, format!("{name}, tagged twice"), &Frame { tags: vec![service, customer], ..frame.clone() });
    let thrice = Frame { tags: vec![service, customer, customer], ..frame.clone() };
    ends(rows, format!("{name}, tagged three times"), thrice.build(), Reason::NotTunnel);

    // What follows the packet stays: the host's stack cuts it off.
    good(rows, format!("{name}, padded"), &Frame { padding: 7, ..frame.clone() });
    let inner = [frame.inner.build(), vec![0xee; 5]].concat();
    let fate = Fate::Unwrapped([frame.unwrapped(0), vec![0xee; 5]].concat());
    rows.push(Row { name: format!("{name}, padded inside"), frame: frame.wrap(&inner), fate });

    let mut empty = frame.clone();
    empty.inner.payload.clear();
    good(rows, format!("{name}, without payload"), &empty);
    let mut large = frame.clone();
    large.inner.payload = (0..1400).map(|at| at as u8).collect();
    good(rows, format!("{name}, with much payload"), &large);
    let mut last = frame.clone();
    last.inner.hops = 1;
    good(rows, format!("{name}, hop limit 1"), &last);

    if let Tunnel::Gue { .. } = &frame.tunnel {
        let mut summed = frame.clone();
        if let Tunnel::Gue { checksum, .. } = &mut summed.tunnel {
            *checksum = 0x1234;
        }
        good(rows, format!("{name}, with some UDP checksum"), &summed);
    }
}

/// Wrong at one end.
fn for_others(rows: &mut Vec<Row>, name: &str, frame: &Frame) {
    let (outer, inner) = (frame.outer.source.is_ipv4(), frame.inner.source.is_ipv4());
    let [outer, inner] = [outer, inner].map(|is_v4| if is_v4 { V4 } else { V6 });
    for (v4, v6) in [("10.0.1.2", "2001:db8:c::2"), ("198.51.100.7", "::ffff:10.0.0.2")] {
        let mut stranger = frame.clone();
        stranger.outer.source = outer.of(v4, v6);
        let source = stranger.outer.source;
        ends(rows, format!("{name}, from {source}"), stranger.build(), Reason::SenderNotAllowed);
    }
    for (v4, v6) in [("10.0.1.6", "2001:db8:5::6"), ("192.0.2.10", "::ffff:10.0.1.5")] {
        let mut other = frame.clone();
        other.outer.destination = outer.of(v4, v6);
        let destination = other.outer.destination;
        ends(rows, format!("{name}, to {destination}"), other.build(), Reason::NotTunnel);
    }
    for (v4, v6) in [
        ("192.0.2.16", "2001:db8::11"),
        ("10.0.1.5", "2001:db8:5::5"),
        ("127.0.0.1", "::1"),
        ("224.0.0.1", "ff02::1"),
        ("255.255.255.255", "::ffff:192.0.2.10"),
    ] {
        let mut other = frame.clone();
        other.inner.destination = inner.of(v4, v6);
        let destination = other.inner.destination;
        ends(rows, format!("{name}, inside to {destination}"), other.build(), Reason::InnerNotLocal);
    }
    let mut dead = frame.clone();
    dead.inner.hops = 0;
    ends(rows, format!("{name}, hop limit 0"), dead.build(), Reason::HopLimit);
    if let Tunnel::Gue { port, .. } = &mut frame.clone().tunnel {
        *port += 1;
        let tunnel = Tunnel::Gue { header: Vec::new(), port: *port, checksum: 0 };
        let other = Frame { tunnel, ..frame.clone() };
        ends(rows, format!("{name}, to another port"), other.build(), Reason::NotTunnel);
    }
}

fn fragments(rows: &mut Vec<Row>, name: &str, frame: &Frame) {
    for fragment in [Fragment::First, Fragment::Later] {
        let mut part = frame.clone();
        part.outer.fragment = fragment;
        // Without its first fragment no packet becomes whole; which port a later one is for, nobody knows.
        let unknown = fragment == Fragment::Later && frame.tunnel != Tunnel::Ipip;
        let reason = |known| if unknown { Reason::NotTunnel } else { known };
        ends(rows, format!("{name}, {fragment:?} fragment"), part.build(), reason(Reason::Fragment));
        let mut stranger = part.clone();
        stranger.outer.source = stranger.outer.destination;
        let reason = reason(Reason::SenderNotAllowed);
        ends(rows, format!("{name}, a stranger's {fragment:?} fragment"), stranger.build(), reason);
        let mut other = part;
        other.outer.destination = other.outer.source;
        ends(rows, format!("{name}, {fragment:?} fragment to another"), other.build(), Reason::NotTunnel);
    }
}

/// RFC 6040 section 4.2, figure 4.
fn congestion(rows: &mut Vec<Row>, name: &str, frame: &Frame) {
    const TABLE: [[Option<u8>; 4]; 4] = [
        // Outer: Not-ECT, ECT(1), ECT(0), CE.
        [Some(0b00), Some(0b00), Some(0b00), None],
        [Some(0b01), Some(0b01), Some(0b01), Some(0b11)],
        [Some(0b10), Some(0b01), Some(0b10), Some(0b11)],
        [Some(0b11), Some(0b11), Some(0b11), Some(0b11)],
    ];
    for (inner, row) in (0..).zip(TABLE) {
        for (outer, combined) in (0..).zip(row) {
            let mut marked = frame.clone();
            (marked.outer.ecn, marked.inner.ecn) = (outer, inner);
            let name = format!("{name}, ECN {outer:02b} outside, {inner:02b} inside");
            let fate = match combined {
                Some(ecn) => Fate::Unwrapped(marked.unwrapped(ecn)),
                None => Fate::Ends(Reason::Congestion),
            };
            rows.push(Row { name, frame: marked.build(), fate });
        }
    }
}

/// No tunnel that we end, whoever sends it.
fn untouched(rows: &mut Vec<Row>) {
    let mut pass = |name: &str, frame| ends(rows, name.to_owned(), frame, Reason::NotTunnel);
    pass("V6 in V4 by ipip", Frame::new(V4, V6, Tunnel::Ipip).build());
    for (outer, inner) in PAIRS {
        let frame = Frame::new(outer, inner, Tunnel::Ipip);
        pass(&format!("{inner:?} not wrapped, beside {outer:?}"), frame.unwrapped(0));
        // The packet as somebody's payload: UDP to the service's port.
        let plain = Tunnel::Gue { header: Vec::new(), port: 80, checksum: 0 };
        pass(&format!("{inner:?} in {outer:?}, UDP"), Frame { tunnel: plain, ..frame.clone() }.build());
        let mut tcp = frame.build();
        tcp[if outer == V4 { 14 + 9 } else { 14 + 6 }] = 6;
        pass(&format!("{inner:?} in {outer:?}, called TCP"), tcp);
        if outer == V6 {
            // Destination options, as Linux's own tunnels send them by default (RFC 2473 section 4.1.1).
            let mut optional = frame.build();
            optional[14 + 6] = 60;
            pass(&format!("{inner:?} in {outer:?} behind options"), optional);
        }
        let mut arp = frame.build();
        arp[12..14].copy_from_slice(&EtherType::ARP.0.to_be_bytes());
        pass(&format!("{inner:?} in {outer:?}, called ARP"), arp);
    }
}
