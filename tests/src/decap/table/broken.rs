//! Rows of packets that contradict themselves.

use lb_common::decap::Reason;

use super::{
    Family::{V4, V6},
    Frame, Row, Tunnel,
    rows::ends,
};

/// Length of an Ethernet header.
const ETHERNET: usize = 14;

/// Offset of the payload of the outer header.
fn payload(frame: &Frame) -> usize {
    ETHERNET + if frame.outer.source.is_ipv4() { 20 } else { 40 }
}

/// Offset of the inner header.
fn inner(frame: &Frame) -> usize {
    payload(frame)
        + match &frame.tunnel {
            Tunnel::Ipip => 0,
            Tunnel::Gue { header, .. } => 8 + header.len(),
        }
}

/// What can be wrong with any of them.
pub(super) fn each(rows: &mut Vec<Row>, name: &str, frame: &Frame) {
    let bytes = frame.build();
    let is_gue = frame.tunnel != Tunnel::Ipip;
    for length in ETHERNET..bytes.len() {
        // Until the tunnel can be told, the packet may be anybody's.
        let known = payload(frame) + if is_gue { 4 } else { 0 };
        let reason = if length < known { Reason::NotTunnel } else { Reason::Malformed };
        ends(rows, format!("{name}, cut to {length} bytes"), bytes[..length].to_vec(), reason);
    }
    let mut bend = |what: &str, reason, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        ends(rows, format!("{name}, {what}"), bytes, reason);
    };
    bend("outer version 5", Reason::NotTunnel, &|bytes| bytes[ETHERNET] = 0x50 | bytes[ETHERNET] & 0xf);
    bend("another EtherType", Reason::NotTunnel, &|bytes| bytes[12..14].copy_from_slice(&[0x88, 0xcc]));
    let at = inner(frame);
    // In GUE's first variant the inner version tells the variant.
    let reason = if is_gue && at == payload(frame) + 8 { Reason::GueHeader } else { Reason::Malformed };
    bend("inner version 5", reason, &|bytes| bytes[at] = 0x50 | bytes[at] & 0xf);
    let (length_at, header) = if frame.inner.source.is_ipv4() { (at + 2, 0) } else { (at + 4, 40) };
    let length = (bytes.len() - at - header) as u16;
    bend("inner length beyond the outer", Reason::Malformed, &|bytes| {
        bytes[length_at..length_at + 2].copy_from_slice(&(length + 1).to_be_bytes());
    });
    if frame.inner.source.is_ipv4() {
        bend("inner header of four words", Reason::Malformed, &|bytes| bytes[at] = 0x44);
        bend("inner length within its header", Reason::Malformed, &|bytes| bytes[at + 3] = 19);
    }
    if frame.outer.source.is_ipv4() {
        bend("outer header of four words", Reason::NotTunnel, &|bytes| bytes[ETHERNET] = 0x44);
        bend("outer checksum wrong", Reason::Malformed, &|bytes| bytes[ETHERNET + 10] ^= 0x10);
        let mut options = frame.clone();
        options.outer.options = vec![7, 7, 4, 0, 0, 0, 0, 0];
        ends(rows, format!("{name}, outer options"), options.build(), Reason::OuterOptions);
    }
    if is_gue {
        gue(rows, name, frame);
    }
}

/// Wrong in the UDP header.
fn gue(rows: &mut Vec<Row>, name: &str, frame: &Frame) {
    let (bytes, at) = (frame.build(), payload(frame) + 4);
    let whole = (bytes.len() - payload(frame)) as u16;
    for (what, length) in [("7", 7), ("0", 0), ("cuts the inner packet", whole - 1), ("too long", whole + 1)]
    {
        let mut bytes = bytes.clone();
        bytes[at..at + 2].copy_from_slice(&u16::to_be_bytes(length));
        ends(rows, format!("{name}, UDP length {what}"), bytes, Reason::Malformed);
    }
    // Before anything behind the UDP header is looked at.
    let mut bytes = bytes;
    bytes[at..at + 2].copy_from_slice(&[0, 7]);
    bytes[at + 4] = 0xff;
    ends(rows, format!("{name}, UDP length 7, unknown variant"), bytes, Reason::Malformed);
}

/// The protocol of one family and the packet of the other, and headers of GUE that are not understood.
pub(super) fn once(rows: &mut Vec<Row>) {
    for (outer, inner, other) in [(V4, V4, V6), (V6, V6, V4), (V6, V4, V6)] {
        let wrong = Frame::new(outer, other, Tunnel::Ipip).inner.build();
        for (name, tunnel) in [("ipip", Tunnel::Ipip), ("gue variant 0", Tunnel::empty_gue(inner))] {
            let frame = Frame::new(outer, inner, tunnel).wrap(&wrong);
            let name = format!("{inner:?} in {outer:?} by {name}, but it is {other:?}");
            ends(rows, name, frame, Reason::Malformed);
        }
        // One bit at a time: variant, control, length of options, flags.
        for bit in (0..8).chain(16..32) {
            let Tunnel::Gue { mut header, .. } = Tunnel::empty_gue(inner) else { unreachable!("it is GUE") };
            header[bit / 8] |= 0x80 >> (bit % 8);
            // The second bit makes it variant 1, and an IPv4 packet with a header of no words.
            let reason = if bit == 1 { Reason::Malformed } else { Reason::GueHeader };
            let frame = Frame::new(outer, inner, Tunnel::gue(header)).build();
            ends(rows, format!("{inner:?} in {outer:?} by gue variant 0, bit {bit} set"), frame, reason);
        }
        for protocol in [0, 6, 17, 59] {
            let frame = Frame::new(outer, inner, Tunnel::gue(vec![0, protocol, 0, 0])).build();
            let name = format!("{inner:?} in {outer:?} by gue variant 0, protocol {protocol}");
            ends(rows, name, frame, Reason::GueHeader);
        }
        for nibble in [5, 7, 8, 12, 15] {
            let frame = Frame::new(outer, inner, Tunnel::gue(Vec::new()));
            let mut packet = frame.inner.build();
            packet[0] = nibble << 4 | packet[0] & 0xf;
            let name = format!("{inner:?} in {outer:?} by gue, first bits {nibble:04b}");
            ends(rows, name, frame.wrap(&packet), Reason::GueHeader);
        }
    }
    for (name, tunnel) in &Tunnel::all(V6)[1..] {
        let frame = Frame::new(V4, V6, tunnel.clone()).build();
        ends(rows, format!("V6 in V4 by {name}"), frame, Reason::Ipv6InIpv4);
    }
}
