//! Settings that do not go together, and files with several errors.

use super::{GOOD, SECOND_SERVICE, assert_cases, assert_errors, errors, good, parse, with_line};

#[test]
fn settings_that_would_change_nothing() {
    assert_errors(
        &with_line(21, "by = 'connection'"),
        &[
            ("22:16", r#"idle_timeout has no effect with by = "connection""#),
            ("23:16", r#"max_lifetime has no effect with by = "connection""#),
        ],
    );
    assert_errors(
        &with_line(25, "type = 'none'\nrise = 2"),
        &[
            ("26:8", r#"rise has no effect with type = "none""#),
            ("27:8", r#"path has no effect with type = "none""#),
            ("28:12", r#"interval has no effect with type = "none""#),
            ("29:11", r#"timeout has no effect with type = "none""#),
        ],
    );
    // Without a type it is "tcp", and the path is as useless.
    assert_cases(
        r#"
        25 | type = 'tcp' | 26:8 | path has no effect with type = "tcp"
        25 | # | 26:8 | path has no effect with type = "tcp"
        "#,
    );
    let dsr = with_line(18, "forwarding = 'dsr'\npreserve_client = true").replace("8080", "80");
    assert_errors(&dsr, &[("19:19", r#"preserve_client has no effect with forwarding = "dsr""#)]);
}

#[test]
fn values_that_do_not_go_together() {
    assert_cases(
        r#"
        6 | ports = '9000-8000' | 6:9 | the range 9000-8000 runs backwards
        6 | ports = '1023-32767' | 6:9 | well-known services
        6 | ports = '1024-2046' | 6:9 | the range 1024-2046 is too narrow
        5 | source = ['192.0.2.10'] | 5:11 | is the address of service "web" too
        5 | source = ['10.0.0.2', '10.0.0.2'] | 5:23 | source 10.0.0.2 is already listed
        5 | source = ['2001:db8::2'] | 15:11 | service "web" needs an IPv4 source address
        10 | secret = '0123456789abcde' | 10:10 | a secret of 15 characters
        18 | forwarding = 'dsr' | 32:8 | port 8080 differs from the service's port 80
        18 | forwarding = 'gue' | 32:8 | port 8080 differs from the service's port 80, and "gue" rewrites no port
        19 | slots = 300 | 19:9 | slots = 300 is not a power of two
        22 | idle_timeout = '9h' | 23:16 | max_lifetime 8h is shorter than idle_timeout 9h
        23 | max_lifetime = '29m' | 23:16 | max_lifetime 29m is shorter than idle_timeout 30m
        26 | path = 'healthz' | 26:8 | "healthz" is not the path of a request
        26 | path = '/a b' | 26:8 | is not the path of a request
        27 | interval = '900ms' | 28:11 | timeout 1s is longer than interval 900ms
        28 | timeout = '3s' | 28:11 | timeout 3s is longer than interval 2s
        31 | address = '192.0.2.10' | 31:11 | 192.0.2.10 is the address of the service itself
        31 | address = '2001:db8::1' | 31:11 | is of another family than its IPv4 service
        "#,
    );
}

#[test]
fn tunnels_lead_to_backends_of_either_family_but_not_from_ipv6_to_ipv4() {
    let text = |service: &str, backend: &str, source: &str| {
        with_line(18, "forwarding = 'ipip'")
            .replace("port = 8080", "")
            .replace("192.0.2.10", service)
            .replace("10.0.0.11", backend)
            .replace("[http]", &format!("[tunnel]\nsource = {source}\n[http]"))
    };
    parse(&text("192.0.2.10", "10.0.0.11", "[]"), "f").unwrap();
    parse(&text("192.0.2.10", "2001:db8::11", "['2001:db8:1::/64']"), "f").unwrap();
    parse(&text("2001:db8::10", "2001:db8::11", "[]"), "f").unwrap();
    assert_errors(
        &text("2001:db8::10", "10.0.0.11", "[]"),
        &[("33:11", "there is no tunnel from an IPv6 service to 10.0.0.11")],
    );
    assert_errors(
        &text("192.0.2.10", "2001:db8::11", "['10.0.0.2']"),
        &[("33:11", "the tunnel to 2001:db8::11 needs an IPv6 source")],
    );
    assert_errors(
        &text("192.0.2.10", "10.0.0.11", "['192.0.2.0/24', '10.1.0.0/16']"),
        &[
            ("8:11", "source 192.0.2.0/24 takes in the address of service \"web\""),
            ("8:27", "there is already an IPv4 source"),
        ],
    );
    assert_errors(
        &text("192.0.2.10", "10.0.0.11", "['224.0.0.1']"),
        &[("8:11", "224.0.0.1, a multicast address, can't be a source of tunnels")],
    );
    assert_errors(
        &text("192.0.2.10", "10.0.0.11", "['10.1.0.1/16']\nmtu = 1327"),
        &[("8:11", "has bits set beyond its length"), ("9:7", "mtu 1327 is out of range")],
    );
}

#[test]
fn defaults_in_a_conflict_are_named_as_such() {
    let text = with_line(22, "").replace("'8h'", "'1m'");
    assert_errors(&text, &[("23:16", "max_lifetime 1m is shorter than idle_timeout 30m (the default)")]);
    let text = with_line(28, "").replace("'2s'", "'500ms'");
    assert_errors(&text, &[("27:12", "timeout 1s (the default) is longer than interval 500ms")]);
}

#[test]
fn duplicates_name_the_first_line() {
    let second = |from: &str, to: &str| good() + &SECOND_SERVICE.replace(from, to);
    assert_errors(&second("'dns'", "'web'"), &[("35:8", "already a service named \"web\" at line 14")]);
    assert_errors(
        &second("'192.0.2.11'\nport = 53", "'192.0.2.10'\nport = 80"),
        &[("37:8", "service \"dns\" and service \"web\" at line 13 both have port 80 of 192.0.2.10")],
    );
    // One address with two ports, or one port with two protocols, is fine.
    parse(&second("'192.0.2.11'", "'192.0.2.10'"), "f").unwrap();
    parse(&second("'192.0.2.11'\nport = 53", "'192.0.2.10'\nport = 80\nprotocol = 'udp'"), "f").unwrap();
    let backend = |name, address, port| {
        format!("{}[[service.backend]]\nname = '{name}'\naddress = '{address}'\nport = {port}", good())
    };
    parse(&backend("web-2", "10.0.0.11", 8081), "f").unwrap();
    assert_errors(
        &backend("web-1", "10.0.0.12", 8080),
        &[("35:8", "already has a backend named \"web-1\" at line 30")],
    );
    assert_errors(
        &backend("web-2", "10.0.0.11", 8080),
        &[("36:11", "already has a backend with address 10.0.0.11 and port 8080 at line 31")],
    );
}

#[test]
fn a_service_needs_backends_and_an_interface() {
    let bare = GOOD[..28].join("\n");
    assert_errors(&bare, &[("13:1", "`backend` is missing in [[service]]")]);
    assert_eq!(errors(&bare).as_slice()[0].help, "add [[service.backend]]");
    assert_errors(&bare.replace("slots = 4096", "backend = []"), &[("19:11", "the service has no backends")]);
    let misspelt = good().replace("service.backend", "service.backends");
    assert_errors(&misspelt, &[("29:11", "unknown key `backends` in [[service]]; did you mean `backend`?")]);
    assert_errors(SECOND_SERVICE, &[("1:1", "there are services but no interface")]);
    parse("", "f").unwrap();
    assert_errors(
        "[nat]\nsource = ['::1']\n[interface]",
        &[("2:11", "::1, a loopback address"), ("3:1", "`names` is missing")],
    );
}

#[test]
fn sums_stay_within_limits() {
    let both = |limit: &str| with_line(12, limit) + "\n" + SECOND_SERVICE;
    parse(&both("slots = 16384"), "f").unwrap();
    assert_errors(&both("services = 1"), &[("34:1", "2 ports of services, and limits.services is 1")]);
    assert_errors(&both("backends = 1"), &[("38:1", "2 backends, and limits.backends is 1")]);
    assert_errors(&both("slots = 16383"), &[("34:1", "16384 slots (twice those of each service), and")]);
}

#[test]
fn many_backends_need_many_slots() {
    let many = |count: usize, slots: &str| {
        let backend =
            |i| format!("[[service.backend]]\nname = 'b{i}'\naddress = '10.1.{}.{}'\n", i / 250, i % 250 + 1);
        GOOD[..28].join("\n").replace("slots = 4096", slots)
            + "\n"
            + &(0..count).map(backend).collect::<String>()
    };
    parse(&many(256, ""), "f").unwrap();
    assert_errors(&many(257, "slots = 4096"), &[("19:9", "4096 slots are too few for 257 backends")]);
    assert_errors(&many(257, ""), &[("13:1", "4096 slots (the default) are too few for 257 backends")]);
    assert!(errors(&many(257, "")).as_slice()[0].help.contains("slots = 8192"));
    assert_errors(
        &many(4097, "").replace("flows = 65536", "backends = 65535"),
        &[("13:1", "4097 backends are too many")],
    );
}

#[test]
fn all_errors_of_a_file_at_once_and_in_its_order() {
    let text = good()
        .replace("'auto'", "'fast'")
        .replace("flows = ", "flow = ")
        .replace("port = 80\n", "prot = 80\n")
        .replace("'client-ip'", "'cookie'")
        .replace("'30m'", "'9h'")
        .replace("'192.0.2.10'", "'2001:db8::1'")
        .replace("weight = 100", "weight = 0");
    assert_errors(
        &text,
        &[
            ("3:8", "unknown mode \"fast\""),
            ("12:1", "unknown key `flow`"),
            ("15:11", "needs an IPv6 source address"),
            ("16:1", "unknown key `prot`"),
            ("21:6", "by = \"cookie\" is for HTTP, and this service is tcp"),
            ("23:16", "max_lifetime 8h is shorter"),
            ("31:11", "of another family"),
            ("33:10", "weight 0"),
        ],
    );
}

#[test]
fn every_bad_item_of_a_list_is_reported() {
    assert_errors(
        &with_line(5, "source = ['x', '10.0.0.2', 5]"),
        &[("5:11", "\"x\" is not an IP address"), ("5:28", "source must be a string, not an integer")],
    );
}

#[test]
fn one_mistake_is_one_error() {
    // A bad port of a backend must not stand in for the service's and collide with it.
    let text = good() + "[[service.backend]]\nname = 'web-2'\naddress = '10.0.0.11'\nport = 80";
    assert_errors(&text.replace("port = 8080", "port = 80800"), &[("32:8", "port 80800 is out of range")]);
    // A bad type of check must not make the path of the good one useless.
    assert_errors(&with_line(25, "type = 'https'"), &[("25:8", "not supported")]);
}

#[test]
fn syntax_errors_stand_alone() {
    let text = good().replace("mode = 'auto'", "mode = auto").replace("weight = 100", "weight = 0");
    let errors = errors(&text);
    assert_eq!(errors.as_slice().len(), 1, "{errors}");
    assert!(errors.to_string().starts_with("limpet.toml:3:8: error: "), "{errors}");
    let twice = with_line(3, "names = ['eth1']");
    assert_errors(&twice, &[("3:1", "duplicate key")]);
}

#[test]
fn columns_count_characters() {
    assert_errors("interface = {names = ['\u{e9}\u{e9}', 1]}", &[("1:29", "names must be a string")]);
}

#[test]
fn errors_say_where_in_words() {
    let errors = errors(&with_line(32, "port = 0"));
    assert_eq!(
        errors.to_string(),
        "limpet.toml:32:8: error: port 0 is out of range\n  \
           in: service \"web\" . backend \"web-1\" . port\n  \
           help: give an integer in 1..=65535"
    );
}
