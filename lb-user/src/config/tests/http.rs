//! Services of HTTP.

mod cookie;
mod files;

use std::time::Duration;

use super::{assert_cases_of, assert_errors, errors, parse, replaced};
use crate::model::{
    Forwarding, PersistBy, Protocol, Scheduler, Service,
    http::{Forwarded, Http, Method, ProxyVersion, Request, Version},
};

/// A good file with one service; the cases below each change one line of it.
pub(super) const GOOD: &[&str] = &[
    "[interface]",                       // 1
    "names = ['eth0']",                  // 2
    "[[service]]",                       // 3
    "name = 'shop'",                     // 4
    "address = '192.0.2.10'",            // 5
    "port = 80",                         // 6
    "protocol = 'http'",                 // 7
    "[service.persistence]",             // 8
    "by = ['cookie', 'header', 'path']", // 9
    "header = 'X-User'",                 // 10
    "path_segments = 2",                 // 11
    "[service.persistence.cookie]",      // 12
    "mode = 'insert'",                   // 13
    "name = 'SHOP'",                     // 14
    "[service.http]",                    // 15
    "http2 = false",                     // 16
    "[[service.backend]]",               // 17
    "name = 'shop-1'",                   // 18
    "address = '10.0.0.11'",             // 19
    "[[service.backend]]",               // 20
    "name = 'shop-2'",                   // 21
    "address = '2001:db8::12'",          // 22
    "port = 8080",                       // 23
];

/// The good file with `line` replaced.
fn with_line(line: usize, text: &str) -> String {
    replaced(GOOD, line, text)
}

fn service(text: &str) -> Service {
    parse(text, "f").unwrap_or_else(|errors| panic!("{errors}\n{text}")).services.remove(0)
}

fn http(text: &str) -> Http {
    (*service(text).http.unwrap()).clone()
}

/// What clients are known by where lines 9 to 14 are these.
fn methods(text: &str) -> Vec<Method> {
    let text = [&GOOD[..8], &[text], &GOOD[14..]].concat().join("\n");
    match service(&text).persistence.by {
        PersistBy::Request(request) => request.methods,
        other => panic!("{other:?}"),
    }
}

fn assert_cases(table: &str) {
    assert_cases_of(GOOD, table);
}

#[test]
fn a_good_one() {
    let service = service(&GOOD.join("\n"));
    assert_eq!((service.protocol, service.forwarding), (Protocol::Http, Forwarding::Proxy));
    let ports: Vec<_> = service.backends.iter().map(|backend| backend.port).collect();
    assert_eq!(ports, [Some(80), Some(8080)]);
    let PersistBy::Request(Request { methods, prefix_v4, prefix_v6 }) = &service.persistence.by else {
        panic!("{:?}", service.persistence)
    };
    let [Method::Insert(cookie), Method::Header(header), Method::Path(2)] = &methods[..] else {
        panic!("{methods:?}")
    };
    assert_eq!((cookie.name.as_str(), header.as_str()), ("SHOP", "x-user"));
    assert_eq!((*prefix_v4, *prefix_v6), (32, 64));
}

#[test]
fn settings_and_their_defaults() {
    let default = http(&with_line(16, "# nothing"));
    assert!(default.http2 && !default.accept_proxy);
    assert_eq!((default.backend_version, default.send_proxy), (Version::Http1, None));
    assert_eq!((default.forwarded, &default.trusted[..]), (Forwarded::X, &[][..]));
    assert_eq!((default.retries, default.max_header, default.max_body), (1, 65_536, None));
    assert_eq!((default.certificates.len(), default.keys), (0, None));
    let without_table = [&GOOD[..14], &GOOD[16..]].concat().join("\n");
    assert_eq!(http(&without_table), http(&with_line(16, "# nothing")));
    let text = "backend_version = '2'\naccept_proxy = true\nsend_proxy = 'v2'\nforwarded = 'forwarded'\n\
                trusted_proxies = ['10.0.0.0/8', '2001:db8::1']\nretries = 0\nmax_body = 1000\nidle_timeout = '5s'";
    let given = http(&with_line(16, text));
    assert_eq!((given.backend_version, given.send_proxy), (Version::Http2, Some(ProxyVersion::V2)));
    assert_eq!((given.forwarded, given.trusted.len()), (Forwarded::Standard, 2));
    assert_eq!((given.accept_proxy, given.retries, given.max_body), (true, 0, Some(1000)));
    assert_eq!(given.timeouts.idle, Duration::from_secs(5));
    assert_eq!(http(&with_line(16, "forwarded = 'off'")).forwarded, Forwarded::Off);
}

#[test]
fn wrong_settings() {
    assert_cases(
        r#"
        15 | [service.htpp] | 15:10 | unknown key `htpp` in [[service]]; did you mean `http`?
        15 | [[service.http]] | 15:1 | http must be a table, not a list
        16 | http3 = true | 16:1 | unknown key `http3` in [service.http]; did you mean `http2`?
        16 | http2 = 'on' | 16:9 | http2 must be true or false, not a string
        16 | backend_version = '1.0' | 16:19 | unknown backend_version "1.0"
        16 | backend_version = 2 | 16:19 | backend_version must be a string, not an integer
        16 | accept_proxy = 'v1' | 16:16 | accept_proxy must be true or false, not a string
        16 | send_proxy = 'v3' | 16:14 | unknown send_proxy "v3"
        16 | forwarded = 'x-forwarded' | 16:13 | unknown forwarded "x-forwarded"; did you mean "x-forwarded-for"?
        16 | forwarded = false | 16:13 | forwarded must be a string, not a boolean
        16 | trusted_proxies = '10.0.0.1' | 16:19 | trusted_proxies must be a list, not a string
        16 | trusted_proxies = ['10.0.0.1/8'] | 16:20 | has bits set beyond its length
        16 | trusted_proxies = ['proxy'] | 16:20 | "proxy" is not an IP address or prefix
        16 | retries = 11 | 16:11 | retries 11 is out of range
        16 | retries = -1 | 16:11 | retries -1 is out of range
        16 | max_header = 8191 | 16:14 | max_header 8191 is out of range
        16 | max_header = '64k' | 16:14 | max_header must be an integer, not a string
        16 | max_header = 1048577 | 16:14 | max_header 1048577 is out of range
        16 | max_body = 0 | 16:12 | max_body 0 is out of range
        16 | header_timeout = '10' | 16:18 | header_timeout "10" is not a duration
        16 | header_timeout = '6m' | 16:18 | header_timeout 6m is out of range
        16 | idle_timeout = '0s' | 16:16 | idle_timeout 0s is out of range
        16 | body_timeout = 'off' | 16:16 | body_timeout "off" is not a duration
        16 | connect_timeout = '50ms' | 16:19 | connect_timeout 50ms is out of range
        16 | response_timeout = '2d' | 16:20 | response_timeout 2days is out of range
        16 | upgrade_timeout = 3600 | 16:19 | upgrade_timeout must be a string, not an integer
        16 | backend_idle_timeout = '-1s' | 16:24 | is not a duration
        16 | shutdown_timeout = '25h' | 16:20 | shutdown_timeout 1day 1h is out of range
        "#,
    );
}

#[test]
fn the_daemon_itself_serves() {
    assert_cases(
        r#"
        6 | port = 'any' | 6:8 | a service of HTTP can't listen on every port
        7 | protocol = 'http'\nforwarding = 'nat' | 8:14 | forwarding has no effect with protocol = "http"
        7 | protocol = 'http'\nforwarding = 'dsr' | 8:14 | forwarding has no effect with protocol = "http"
        7 | protocol = 'http'\npreserve_client = true | 8:19 | preserve_client has no effect with protocol = "http"
        7 | protocol = 'htp' | 7:12 | unknown protocol "htp"; did you mean "http"?
        19 | address = '192.0.2.10' | 19:11 | 192.0.2.10 is the address of the service itself
        19 | address = '10.0.0.11'\nserver_id = '01' | 20:13 | server_id has no effect without by = "quic-cid"
        "#,
    );
    let tcp =
        with_line(7, "protocol = 'tcp'").replace("by = ['cookie', 'header', 'path']", "by = 'client-ip'");
    assert_errors(
        &tcp,
        &[
            ("10:10", r#"header has no effect without by = "header""#),
            ("11:17", r#"path_segments has no effect without by = "path""#),
            ("12:1", r#"cookie has no effect without by = "cookie""#),
            ("15:1", r#"http has no effect without protocol = "http""#),
            ("22:11", "backend 2001:db8::12 is of another family"),
        ],
    );
}

#[test]
fn http_and_tcp_share_their_ports() {
    let second = |protocol| {
        format!(
            "{}\n[[service]]\nname = 'b'\naddress = '192.0.2.10'\nport = 80\nprotocol = '{protocol}'\n\
             backend = [{{name = 'b', address = '10.0.0.21'}}]",
            GOOD.join("\n")
        )
    };
    assert_errors(&second("tcp"), &[("27:8", "both have port 80 of 192.0.2.10 with protocol tcp")]);
    assert_errors(&second("http"), &[("27:8", "both have port 80 of 192.0.2.10 with protocol tcp")]);
    parse(&second("udp"), "f").unwrap();
}

#[test]
fn load_counts_whatever_clients_are_known_by() {
    for by in ["'connection'", "'client-ip'", "['query']\nquery = 'sid'"] {
        let settings = "protocol = 'http'\nscheduler = 'least-sessions'\nmax_load = 125";
        let lines = [&GOOD[..6], &[settings, "[service.persistence]"], &["by = "], &GOOD[16..]].concat();
        let service = service(&lines.join("\n").replace("by = ", &format!("by = {by}")));
        assert_eq!((service.scheduler, service.max_load), (Scheduler::LeastSessions, Some(125)), "{by}");
    }
}

#[test]
fn ways_to_know_a_client() {
    assert_eq!(methods("by = 'connection'"), []);
    assert_eq!(methods("by = ['connection']"), []);
    assert_eq!(methods(""), [Method::ClientIp]);
    assert_eq!(methods("by = 'path'"), [Method::Path(1)]);
    let expected = [Method::ClientIp, Method::Query("s[id]".to_owned())];
    assert_eq!(methods("by = ['client-ip', 'query']\nquery = 's[id]'\nprefix_v4 = 24"), expected);
    // A group leads clients by their addresses, whatever else is known of them.
    assert_eq!(methods("by = 'path'\ngroup = 'g'\nprefix_v4 = 24"), [Method::Path(1)]);
}

#[test]
fn wrong_ways_to_know_a_client() {
    assert_cases(
        r#"
        9 | by = ['cookie', 'header', 'paht'] | 9:27 | unknown by "paht"; did you mean "path"?
        9 | by = ['cookie', 'header', 'path', 5] | 9:35 | by must be a string, not an integer
        9 | by = 5 | 9:6 | by must be a string, not an integer
        9 | by = ['cookie', 'header', 'path', 'header'] | 9:35 | "header" is already listed at line 9
        9 | by = ['cookie', 'header', 'path', 'connection'] | 9:35 | "connection" knows no client
        9 | by = ['cookie', 'header', 'path', 'quic-cid'] | 9:35 | is for QUIC, and this service is http
        9 | by = ['cookie', 'path'] | 10:10 | header has no effect without by = "header"
        9 | by = ['cookie', 'header'] | 11:17 | path_segments has no effect without by = "path"
        9 | by = ['header', 'path'] | 12:1 | cookie has no effect without by = "cookie"
        9 | by = ['cookie', 'header', 'path', 'query'] | 8:1 | `query` is missing in [service.persistence]
        10 | # | 8:1 | `header` is missing in [service.persistence]
        10 | haeder = 'X-User' | 10:1 | unknown key `haeder` in [service.persistence]; did you mean `header`?
        10 | header = 'X User' | 10:10 | "X User" can't be the name of a header field
        10 | header = '' | 10:10 | "" can't be the name of a header field
        10 | header = ['X-User'] | 10:10 | header must be a string, not a list
        10 | header = 'X-User'\nquery = 'sid' | 11:9 | query has no effect without by = "query"
        11 | path_segments = 0 | 11:17 | path_segments 0 is out of range
        11 | path_segments = 9 | 11:17 | path_segments 9 is out of range
        11 | prefix_v4 = 24 | 11:13 | prefix_v4 has no effect without "client-ip" in by, or a group
        11 | prefix_v6 = 56 | 11:13 | prefix_v6 has no effect without "client-ip" in by, or a group
        11 | mask = [{prefix = '10.0.0.0/8', bits = 24}] | 11:8 | mask has no effect without "client-ip" in by
        11 | max_lifetime = '1m' | 11:16 | max_lifetime 1m is shorter than idle_timeout 30m (the default)
        "#,
    );
    for query in ["", "a=b", "a&b", "a#", "a b", "é"] {
        let text = with_line(9, &format!("by = ['cookie', 'header', 'path', 'query']\nquery = '{query}'"));
        assert_errors(&text, &[("10:9", "can't be the name of a parameter")]);
    }
    assert_errors(
        &with_line(9, "by = []"),
        &[
            ("9:6", "by is empty"),
            ("10:10", "header has no effect"),
            ("11:17", "path_segments has no effect"),
            ("12:1", "cookie has no effect"),
        ],
    );
    let alone =
        [&GOOD[..8], &["by = 'connection'\nidle_timeout = '1h'\nprefix_v4 = 24"], &GOOD[14..]].concat();
    assert_errors(
        &alone.join("\n"),
        &[
            ("10:16", r#"idle_timeout has no effect with by = "connection""#),
            ("11:13", r#"prefix_v4 has no effect with by = "connection""#),
        ],
    );
}

#[test]
fn packets_show_no_more_than_addresses() {
    let tcp = |by: &str, protocol: &str| {
        let lines = [&GOOD[..6], &[protocol, "[service.persistence]", by], &GOOD[16..19]].concat();
        lines.join("\n")
    };
    for (by, protocol, message) in [
        ("by = 'cookie'", "", r#"by = "cookie" is for HTTP, and this service is tcp (the default)"#),
        ("by = 'header'", "protocol = 'tcp'", r#"by = "header" is for HTTP, and this service is tcp"#),
        ("by = 'query'", "protocol = 'udp'", r#"by = "query" is for HTTP, and this service is udp"#),
        ("by = 'path'", "", r#"by = "path" is for HTTP, and this service is tcp (the default)"#),
        ("by = ['client-ip']", "", "a list is for HTTP, and this service is tcp (the default)"),
        ("by = ['cookie', 'client-ip']", "protocol = 'udp'", "a list is for HTTP, and this service is udp"),
        ("by = []", "", "a list is for HTTP, and this service is tcp (the default)"),
    ] {
        let text = tcp(by, protocol);
        assert_errors(&text, &[("9:6", message)]);
        let help = errors(&text).as_slice()[0].help.clone();
        assert_eq!(help, r#"set protocol = "http", or by = "client-ip", "connection" or "quic-cid""#);
    }
    let quic = with_line(9, "by = 'quic-cid'").replace("X-User", "");
    assert!(errors(&quic).to_string().contains("is for QUIC, and this service is http"));
}

#[test]
fn groups_join_the_tiers() {
    let packets = "[[service]]\nname = 'b'\naddress = '192.0.2.11'\nport = 80\npersistence = {group = 'g'}\n\
                   backend = [{name = 'shop-1', address = '10.0.0.11'}]";
    let text = format!("{}\n{packets}", with_line(11, "path_segments = 2\ngroup = 'g'"));
    parse(&text, "f").unwrap();
    let other = text.replace("path_segments = 2", "idle_timeout = '1h'");
    assert_errors(&other, &[("29:24", "idle_timeout differs from that of service \"shop\"")]);
    let elsewhere =
        text.replace("name = 'shop-1', address = '10.0.0.11'", "name = 'shop-1', address = '10.0.0.12'");
    assert_errors(&elsewhere, &[("30:40", "backend \"shop-1\" is 10.0.0.11 in service \"shop\"")]);
}
