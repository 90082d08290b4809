use std::net::SocketAddrV6;

use proptest::prelude::*;

use super::*;

fn peer(source: &str, destination: &str) -> Option<Peer> {
    Some(Peer { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

fn v2(command_and_family: [u8; 2], body: &[u8]) -> Vec<u8> {
    [&v2::SIGNATURE[..], &command_and_family, &(body.len() as u16).to_be_bytes(), body].concat()
}

/// The lines of section 2.1.
#[test]
fn lines_of_the_specification() {
    const ALL: &str = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let wide = format!("[{ALL}]:65535");
    for (line, length, expected) in [
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            56,
            peer("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (&format!("PROXY TCP6 {ALL} {ALL} 65535 65535\r\n"), 104, peer(&wide, &wide)),
        ("PROXY UNKNOWN\r\n", 15, None),
        (&format!("PROXY UNKNOWN {ALL} {ALL} 65535 65535\r\n"), 107, None),
        (
            "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
            47,
            peer("192.168.0.1:56324", "192.168.0.11:443"),
        ),
    ] {
        assert_eq!(line.len(), length);
        let request = [line.as_bytes(), b"GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n"].concat();
        assert_eq!(parse(&request), Parsed::Header { length, peer: expected }, "{line}");
    }
}

#[test]
fn other_lines_are_invalid() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n",
        "PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
        "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP6 ::1%lo ::2 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n\r\n",
        "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
    ] {
        assert!(matches!(parse(line.as_bytes()), Parsed::Invalid(_)), "{line}");
    }
}

#[test]
fn a_line_ends_within_107_bytes() {
    let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16)).into_bytes();
    assert_eq!(parse(&line(107)), Parsed::Header { length: 107, peer: None });
    assert_eq!(parse(&line(108)[..106]), Parsed::Incomplete);
    assert!(matches!(parse(&line(108)[..107]), Parsed::Invalid(_)));
    assert!(matches!(parse(&line(108)), Parsed::Invalid(_)));
    let ended_by_one = [b"PROXY UNKNOWN\n", &[b'x'; 200][..]].concat();
    assert!(matches!(parse(&ended_by_one), Parsed::Invalid(_)));
}

/// The layouts of section 2.2, byte by byte.
#[test]
fn binary_headers_of_the_specification() {
    let signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
    let four = [192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];
    let header = [&signature[..], &[0x21, 0x11, 0, 12], &four].concat();
    let expected = peer("192.168.0.1:56324", "192.168.0.11:443");
    assert_eq!(parse(&header), Parsed::Header { length: 28, peer: expected });
    assert_eq!(write(Version::V2, expected.unwrap().source, expected.unwrap().destination), header);

    let mut six = [0; 36];
    (six[..4]).copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    (six[15], six[31], six[33], six[34]) = (1, 2, 80, 1);
    let header = v2([0x21, 0x21], &six);
    let expected = peer("[2001:db8::1]:80", "[::2]:256");
    assert_eq!(parse(&header), Parsed::Header { length: 52, peer: expected });
    assert_eq!(write(Version::V2, expected.unwrap().source, expected.unwrap().destination), header);
}

#[test]
fn binary_headers_that_name_nobody() {
    for (kind, body) in [
        ([0x20, 0x00], &[][..]),
        ([0x20, 0x11], &[1; 12]),
        ([0x20, 0xff], &[1; 3]),
        ([0x21, 0x00], &[]),
        ([0x21, 0x10], &[1; 12]),
        ([0x21, 0x12], &[1; 12]),
        ([0x21, 0x22], &[1; 36]),
        ([0x21, 0x31], &[1; 216]),
        ([0x21, 0x32], &[1; 216]),
    ] {
        let length = 16 + body.len();
        assert_eq!(parse(&v2(kind, body)), Parsed::Header { length, peer: None }, "{kind:x?}");
    }
}

#[test]
fn binary_headers_that_are_none() {
    for (kind, body) in [
        ([0x11, 0x11], &[1; 12][..]),
        ([0x22, 0x11], &[1; 12]),
        ([0x21, 0x13], &[1; 12]),
        ([0x21, 0x41], &[1; 12]),
        ([0x21, 0x11], &[1; 11]),
        ([0x21, 0x21], &[1; 35]),
        ([0x21, 0x11], &[1; 2049]),
        ([0x20, 0x00], &[1; 2049]),
    ] {
        assert!(matches!(parse(&v2(kind, body)), Parsed::Invalid(_)), "{kind:x?}");
    }
    let too_long = &v2([0x21, 0x11], &[1; 2049])[..16];
    assert!(matches!(parse(too_long), Parsed::Invalid(_)), "its length is known before it is there");
    let extended = v2([0x21, 0x11], &[1; 2048]);
    assert!(matches!(parse(&extended), Parsed::Header { length: 2064, peer: Some(_) }));
}

#[test]
fn two_families_are_written_as_one() {
    let (four, six) = ("192.0.2.1:1".parse().unwrap(), "[2001:db8::1]:2".parse().unwrap());
    let line = write(Version::V1, four, six);
    assert_eq!(line, b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 1 2\r\n");
    let mapped = "[::ffff:192.0.2.1]:1".parse().unwrap();
    assert_eq!(write(Version::V1, mapped, four), b"PROXY TCP4 192.0.2.1 192.0.2.1 1 1\r\n");
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V1), Just(Version::V2)]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        version in version(),
        source: SocketAddr,
        destination: SocketAddr,
        content in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut stream = write(version, source, destination);
        let length = stream.len();
        for end in 0..length {
            prop_assert_eq!(parse(&stream[..end]), Parsed::Incomplete, "{} bytes", end);
        }
        stream.extend(content);
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let peer = Some(Peer { source: plain(source), destination: plain(destination) });
        prop_assert_eq!(parse(&stream), Parsed::Header { length, peer });
    }

    /// A header with extensions, cut anywhere.
    #[test]
    fn what_has_only_begun_is_incomplete(
        kind in prop::sample::select(vec![[0x20, 0x00], [0x21, 0x00], [0x21, 0x11], [0x21, 0x21], [0x21, 0x31]]),
        body in prop::collection::vec(any::<u8>(), 36..2048),
        cut: prop::sample::Index,
    ) {
        let header = v2(kind, &body);
        let whole = matches!(parse(&header), Parsed::Header { length, .. } if length == header.len());
        prop_assert!(whole);
        prop_assert_eq!(parse(&header[..cut.index(header.len())]), Parsed::Incomplete);
    }

    #[test]
    fn any_bytes_are_taken(
        start in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", &v2::SIGNATURE]),
        rest in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let buffer = [start, &rest].concat();
        if let Parsed::Header { length, .. } = parse(&buffer) {
            prop_assert!(length <= buffer.len());
            prop_assert_eq!(parse(&buffer[..length]), parse(&buffer));
        }
        prop_assert!(buffer.len() < 2064 || parse(&buffer) != Parsed::Incomplete);
    }

    /// An address's zone and flow are of this host and are not passed on.
    #[test]
    fn zones_are_left_out(address: std::net::Ipv6Addr, flow: u32, zone: u32, version in version()) {
        let end = |flow, zone| SocketAddr::V6(SocketAddrV6::new(address, 80, flow, zone));
        prop_assert_eq!(write(version, end(flow, zone), end(0, 0)), write(version, end(0, 0), end(flow, zone)));
    }
}
