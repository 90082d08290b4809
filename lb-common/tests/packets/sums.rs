//! Checksums of ICMP messages, for all values that they may have.

use std::net::IpAddr;

use etherparse::{Icmpv6Slice, NetSlice, PacketBuilder, SlicedPacket};
use lb_common::{reason::Reason, state::Forwarding};

use super::table::{A, ACK, Conn, Family, Geometry, Host, Side, Site, World as _, mac, rows};

/// A receiver's view of a frame's ICMP message: do its words, with those of the pseudo-header in IPv6, and the words
/// of the IP header sum up to what they must?
fn holds(frame: &[u8]) -> bool {
    let sliced = SlicedPacket::from_ethernet(frame).expect("a packet");
    match sliced.net.expect("IP") {
        NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            header.header_checksum == header.calc_header_checksum()
                && internet_checksum::checksum(ip.payload().payload) == [0, 0]
        }
        NetSlice::Ipv6(ip) => Icmpv6Slice::from_slice(ip.payload().payload)
            .expect("ICMPv6")
            .is_checksum_valid(ip.header().source(), ip.header().destination()),
        NetSlice::Arp(_) => false,
    }
}

fn pings(family: Family, id: u16, sequence: u16) -> Vec<u8> {
    let site = Site::new(family, false, Site::WEB.forwarding);
    let builder = PacketBuilder::ethernet2(mac::ROUTER, mac::OURS);
    let mut frame = Vec::new();
    match (site.conn(0).client, site.address()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => builder
            .ipv4(from.octets(), to.octets(), 1)
            .icmpv4_echo_request(id, sequence)
            .write(&mut frame, &[0; 2]),
        (IpAddr::V6(from), IpAddr::V6(to)) => builder
            .ipv6(from.octets(), to.octets(), 1)
            .icmpv6_echo_request(id, sequence)
            .write(&mut frame, &[0; 2]),
        _ => unreachable!("one family"),
    }
    .expect("a Vec");
    frame
}

/// With the identifier goes the checksum, through all its values.
#[test]
fn every_ping_is_answered_with_a_right_sum() {
    for family in rows::FAMILIES {
        let site = Site { echo: true, ..Site::new(family, false, Site::WEB.forwarding) };
        let mut host = Host::new(Geometry::ROOMY);
        site.install(&mut host);
        for id in 0..=u16::MAX {
            for sequence in [0, 1] {
                let answered = host.run(&pings(family, id, sequence), Side::Outside);
                assert_eq!(host.last, Reason::EchoReply);
                assert!(holds(&answered.bytes), "{family:?}: identifier {id:#x}, sequence {sequence}");
            }
        }
    }
}

/// The quoted port goes through all its values, and the error's own checksum with it. A quote may end in the
/// middle of TCP's checksum.
#[test]
fn every_error_has_a_right_sum() {
    // What goes into a tunnel is not changed.
    for site in rows::sites().filter(|site| !site.forwarding.is_tunnel()) {
        let mut host = Host::new(Geometry { buckets: 1 << 16, ports: (1024, 65_535), ..Geometry::ROOMY });
        site.install(&mut host);
        for port in (0..=u16::MAX).step_by(17) {
            let conn = Conn { port, ..site.conn(0) };
            host.run(&conn.first().build(&[]), Side::Outside);
            let about = conn.answers(A, ACK, b"an answer, and odd");
            let dsr = site.forwarding == Forwarding::Dsr;
            let about = if dsr { about } else { conn.returned(about) };
            for quoted in [8, 17, 18, 1000] {
                let error = conn.complaint_outside(about.clone()).quoting(quoted).build(&[0]);
                let told = host.run(&error, Side::Outside);
                assert_eq!(host.last, Reason::ToBackend, "{site:?}, port {port}");
                assert!(holds(&told.bytes), "{site:?}, port {port}, {quoted} bytes quoted");
            }
        }
    }
}
