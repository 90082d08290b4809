use proptest::prelude::*;

use super::*;

const PROXY: &str = "10.0.0.1";

fn list(name: &HeaderName, values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Proxies are in 10.0.0.0/8 and fd00::/8.
fn found(headers: &HeaderMap, peer: &str, field: Field) -> String {
    let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    client(headers, ip(peer), &trusted, field).to_string()
}

#[test]
fn the_last_address_that_is_no_proxy_of_ours() {
    for (values, expected) in [
        (&[][..], PROXY),
        (&[""], PROXY),
        (&["192.0.2.1"], "192.0.2.1"),
        (&["192.0.2.9, 192.0.2.1"], "192.0.2.1"),
        (&["192.0.2.9, 192.0.2.1,10.0.0.2 ,\tfd00::1"], "192.0.2.1"),
        (&["192.0.2.9", "192.0.2.1", "10.0.0.2, ,"], "192.0.2.1"),
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (&["192.0.2.1:4711, [fd00::2]:80"], "192.0.2.1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["::ffff:192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1"),
        (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (&["192.0.2.1, 10.0.0.300"], PROXY),
        (&["192.0.2.1, 10.0.0.2:"], PROXY),
        (&["192.0.2.1, 10.0.0.2:http"], PROXY),
        (&["192.0.2.1, [fd00::1"], PROXY),
        (&["192.0.2.1, fd00::1]"], PROXY),
        (&["192.0.2.1, [10.0.0.2]"], PROXY),
        (&["192.0.2.1, \"10.0.0.2\""], PROXY),
        (&["192.0.2.1, é"], PROXY),
    ] {
        let headers = list(&X_FORWARDED_FOR, values);
        assert_eq!(found(&headers, PROXY, Field::XForwardedFor), expected, "{values:?}");
        assert_eq!(found(&headers, "203.0.113.7", Field::XForwardedFor), "203.0.113.7", "a stranger's list");
        assert_eq!(found(&headers, PROXY, Field::Forwarded), PROXY, "another field");
    }
    assert_eq!(
        found(&list(&X_FORWARDED_FOR, &["192.0.2.1"]), "::ffff:10.0.0.1", Field::XForwardedFor),
        "192.0.2.1"
    );
}

#[test]
fn the_same_from_elements_of_rfc_7239() {
    for (values, expected) in [
        (&["for=192.0.2.60;proto=http;by=203.0.113.43"][..], "192.0.2.60"),
        (&["For=\"[2001:db8:cafe::17]:4711\""], "2001:db8:cafe::17"),
        (&["for=192.0.2.43, for=\"[fd00::17]\""], "192.0.2.43"),
        (
            &["for=192.0.2.43", "proto=https ; FOR=\"10.0.0.2:_hidden\";host=\"a,b;for=1.1.1.1\""],
            "192.0.2.43",
        ),
        (&["for=192.0.2.43;host=\"a\\\",for=1.1.1.1;\\\\\", for=10.0.0.2"], "192.0.2.43"),
        (&["for=192.0.2.43, for=_gazonk"], PROXY),
        (&["for=192.0.2.43, for=\"_SEVKISEK\", for=10.0.0.2"], "10.0.0.2"),
        (&["for=192.0.2.43, for=unknown"], PROXY),
        (&["for=192.0.2.43, proto=http"], PROXY),
        (&["for=192.0.2.43, for=10.0.0.2;for=10.0.0.3"], PROXY),
        (&["for=192.0.2.43, for=\"10.0.0.2"], PROXY),
        (&["for=192.0.2.43, for=10.0.0.2\""], PROXY),
        (&["for=192.0.2.43, for="], PROXY),
        (&["for=192.0.2.43, for = 10.0.0.2"], PROXY),
    ] {
        let headers = list(&FORWARDED, values);
        assert_eq!(found(&headers, PROXY, Field::Forwarded), expected, "{values:?}");
        assert_eq!(found(&headers, "203.0.113.7", Field::Forwarded), "203.0.113.7", "a stranger's list");
    }
}

#[test]
fn what_is_appended() {
    let host = HeaderValue::from_static("shop.example:8080");
    let lie = || {
        let mut headers = list(&X_FORWARDED_FOR, &["1.1.1.1", "2.2.2.2"]);
        for (name, value) in [
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "other.example"),
            ("x-forwarded-port", "70"),
            ("x-real-ip", "1.1.1.1"),
            ("accept", "*/*"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    };
    let text = |headers: &HeaderMap| {
        let mut fields: Vec<_> =
            headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        fields.sort();
        fields
    };
    let peer = ip("192.0.2.1");

    let mut headers = lie();
    append(&mut headers, peer, Some(&host), true, Fields::XForwarded, false);
    assert_eq!(
        text(&headers),
        [
            "accept: */*",
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-host: shop.example:8080",
            "x-forwarded-proto: https"
        ]
    );

    let mut headers = lie();
    append(&mut headers, ip("::ffff:192.0.2.1"), Some(&host), false, Fields::Forwarded, false);
    let forwarded = "forwarded: for=192.0.2.1;proto=http;host=\"shop.example:8080\"";
    assert_eq!(text(&headers), ["accept: */*", forwarded]);

    let mut headers = lie();
    append(&mut headers, peer, Some(&host), true, Fields::XForwarded, true);
    assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 192.0.2.1");
    assert_eq!(
        headers["x-forwarded-host"], "other.example",
        "what the client asked for, as its proxy saw it"
    );
    assert_eq!(headers["x-forwarded-proto"], "gopher");

    let mut headers = lie();
    append(&mut headers, ip("2001:db8::1"), None, true, Fields::Forwarded, true);
    assert_eq!(headers["forwarded"], "for=1.1.1.1, for=\"[2001:db8::1]\";proto=https");
}

proptest! {
    /// Whatever a stranger sends: two proxies later, it is still known by its own address.
    #[test]
    fn a_client_can_not_lie(
        claim in "[ -~]{0,24}|(for=|\"|\\\\|,|;|1\\.2\\.3\\.4|10\\.0\\.0\\.9){0,8}",
        host in "[!-~]{0,8}",
        client: [u8; 3],
        is_new: bool,
        drops: bool,
    ) {
        let client = IpAddr::from([192, client[0], client[1], client[2]]);
        let (fields, field, name) = match is_new {
            true => (Fields::Forwarded, Field::Forwarded, FORWARDED),
            false => (Fields::XForwarded, Field::XForwardedFor, X_FORWARDED_FOR),
        };
        let mut headers = list(&name, &[&claim]);
        let host = HeaderValue::from_str(&host).unwrap();
        // The first proxy may be one that only appends.
        append(&mut headers, client, Some(&host), true, fields, !drops);
        append(&mut headers, ip("10.0.0.2"), Some(&host), true, fields, true);
        prop_assert_eq!(found(&headers, PROXY, field), client.to_string());
    }

    #[test]
    fn any_bytes_are_taken(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..48), 0..3),
        is_new: bool,
    ) {
        let (field, name) = match is_new {
            true => (Field::Forwarded, FORWARDED),
            false => (Field::XForwardedFor, X_FORWARDED_FOR),
        };
        let values = values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok());
        let headers: HeaderMap = values.map(|value| (name.clone(), value)).collect();
        found(&headers, PROXY, field);
    }

    #[test]
    fn splitting_loses_nothing(text in "[a,;\"\\\\]{0,24}") {
        let mut parts: Vec<_> = node::split_from_end(text.as_bytes(), b',').collect();
        parts.reverse();
        prop_assert_eq!(parts.join(&b','), text.as_bytes());
    }

    #[test]
    fn addresses_are_read_as_written(address: IpAddr, port: u16) {
        let expected = Some(address.to_canonical());
        for text in [address.to_string(), std::net::SocketAddr::new(address, port).to_string()] {
            prop_assert_eq!(node::address(text.as_bytes()), expected, "{}", text);
        }
    }
}
