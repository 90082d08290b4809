//! Services of HTTP, and how they are written.

use std::{fmt::Write, net::Ipv6Addr, time::Duration};

use humantime::format_duration;
use ipnet::IpNet;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};

use super::{super::super::defaults, packets, time};
use crate::http::cookie::set_cookie::SetCookie;
use crate::model::{
    Forwarding, PersistBy, Persistence, Ports, Protocol, Service,
    http::{Cookie, Forwarded, Http, Method, ProxyVersion, Request, SameSite, Timeouts, Version},
};

/// A service of packets that became one of HTTP, some of its backends of the other family.
pub(super) fn service(index: u8) -> impl Strategy<Value = Service> {
    (packets(index), settings(), methods(), any::<bool>()).prop_map(
        move |(mut service, http, methods, moved)| {
            service.persistence = persistence(service.persistence, methods);
            service.protocol = Protocol::Http;
            service.forwarding = Forwarding::Proxy;
            service.http = Some(http.into());
            if service.ports == Ports::Any {
                service.ports = Ports::List(vec![443, 80]);
            }
            for (host, backend) in (1..).zip(&mut service.backends) {
                backend.server_id.clear();
                if moved && host % 2 == 0 && service.address.is_ipv4() {
                    backend.address = Ipv6Addr::new(0x2001, 0xdb8, 1, index.into(), 0, 0, 0, host).into();
                }
            }
            service
        },
    )
}

/// The policies of a service of packets, for clients that are known otherwise.
fn persistence(packets: Persistence, methods: Vec<Method>) -> Persistence {
    let by_address = methods.contains(&Method::ClientIp);
    let defaults = (defaults::PREFIX_V4, defaults::PREFIX_V6);
    let request =
        |methods, (prefix_v4, prefix_v6)| PersistBy::Request(Request { methods, prefix_v4, prefix_v6 });
    match packets.by {
        PersistBy::ClientIp { prefix_v4, prefix_v6 } if by_address => {
            Persistence { by: request(methods, (prefix_v4, prefix_v6)), ..packets }
        }
        PersistBy::ClientIp { .. } => {
            Persistence { by: request(methods, defaults), masks: Vec::new(), ..packets }
        }
        _ => Persistence::new(request(Vec::new(), defaults)),
    }
}

/// At least one of each kind, in any order.
fn methods() -> impl Strategy<Value = Vec<Method>> {
    let name = || "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,20}";
    let cookie = prop_oneof![
        cookie(name()).prop_map(Method::Insert),
        name().prop_map(|name| Method::Prefix { name }),
        name().prop_map(|name| Method::Learn { name }),
    ];
    let header = "[A-Za-z0-9-]{1,20}".prop_map(|name| Method::Header(name.parse().unwrap()));
    let query = "[!-~&&[^&=#]]{1,20}".prop_map(Method::Query);
    let all = (cookie, header, query, (1..=8u8).prop_map(Method::Path), Just(Method::ClientIp));
    all.prop_flat_map(|(a, b, c, d, e)| subsequence(vec![a, b, c, d, e], 1..=5).prop_shuffle())
}

fn cookie(name: &'static str) -> impl Strategy<Value = Cookie> {
    let domain = option::of(r"[a-z0-9-]{1,20}(\.[a-z0-9]{1,10}){0,3}");
    let flags = [any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()];
    let (low, high) = defaults::MAX_AGE_RANGE.into_inner();
    let sites = select(&[SameSite::Strict, SameSite::Lax, SameSite::None][..]);
    (name, "/[!-:<-~]{0,20}", domain, flags, sites, option::of(time(low, high))).prop_map(
        |(name, path, domain, [secure, http_only, partitioned, pass_on], same_site, max_age)| Cookie {
            name,
            path,
            domain,
            secure: secure || partitioned || same_site == SameSite::None,
            http_only,
            same_site,
            max_age,
            partitioned,
            pass_on,
        },
    )
}

proptest! {
    /// The oracle reads what it wrote, so what it is told matters, which `set_cookie`'s own test knows.
    #[test]
    fn cookies_are_set_as_they_are_configured(cookie in cookie("[A-Za-z0-9_-]{1,20}"), value in "[A-Za-z0-9_-]{0,94}") {
        let header = SetCookie::new(&cookie).with(&value);
        let read = ::cookie::Cookie::parse(header.to_str().unwrap()).unwrap();
        prop_assert_eq!(read.name_value(), (&*cookie.name, &*value));
        prop_assert_eq!(read.path(), Some(&*cookie.path));
        prop_assert_eq!(read.domain(), cookie.domain.as_deref());
        prop_assert_eq!(read.same_site(), Some(cookie.same_site));
        prop_assert_eq!(read.max_age().is_some(), cookie.max_age.is_some());
    }
}

fn settings() -> impl Strategy<Value = Http> {
    let backend_version = select(&[Version::Http1, Version::Http2][..]);
    let send_proxy = option::of(select(&[ProxyVersion::V1, ProxyVersion::V2][..]));
    let forwarded = select(&[Forwarded::Off, Forwarded::X, Forwarded::Standard][..]);
    let trusted = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"].map(|net| net.parse::<IpNet>().unwrap());
    let sizes = (defaults::MAX_HEADER_RANGE, option::of(defaults::MAX_BODY_RANGE));
    let flags = (any::<bool>(), any::<bool>());
    let rest = (subsequence(trusted.to_vec(), 0..=3), defaults::RETRIES_RANGE, sizes, timeouts());
    (flags, backend_version, send_proxy, forwarded, rest).prop_map(
        |((http2, accept_proxy), backend_version, send_proxy, forwarded, rest)| {
            let (trusted, retries, (max_header, max_body), timeouts) = rest;
            Http {
                http2,
                backend_version,
                accept_proxy,
                send_proxy,
                forwarded,
                trusted,
                retries,
                max_header: max_header as usize,
                max_body,
                timeouts,
                certificates: Vec::new(),
                keys: None,
            }
        },
    )
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let [short, long] = [defaults::SHORT_RANGE, defaults::LONG_RANGE].map(|range| {
        let (low, high) = range.into_inner();
        move || time(low, high)
    });
    (vec(short(), 2), vec(long(), 6)).prop_map(|(short, long)| Timeouts {
        header: short[0],
        connect: short[1],
        idle: long[0],
        body: long[1],
        response: long[2],
        upgrade: long[3],
        backend_idle: long[4],
        shutdown: long[5],
    })
}

/// `[service.http]`.
pub(super) fn write(text: &mut String, http: &Http) {
    let Http {
        http2,
        backend_version,
        accept_proxy,
        send_proxy,
        forwarded,
        trusted,
        retries,
        max_header,
        max_body,
        timeouts,
        certificates,
        keys,
    } = http;
    assert_eq!((&certificates[..], keys), (&[][..], &None), "see `http`");
    let backend_version = if *backend_version == Version::Http1 { "1.1" } else { "2" };
    let forwarded = match forwarded {
        Forwarded::Off => "off",
        Forwarded::X => "x-forwarded-for",
        Forwarded::Standard => "forwarded",
    };
    let trusted: Vec<_> = trusted.iter().map(ToString::to_string).collect();
    writeln!(
        text,
        "[service.http]\nhttp2 = {http2}\nbackend_version = '{backend_version}'\naccept_proxy = {accept_proxy}\n\
         forwarded = '{forwarded}'\ntrusted_proxies = {trusted:?}\nretries = {retries}\nmax_header = {max_header}"
    )
    .unwrap();
    if let Some(version) = send_proxy {
        let version = if *version == ProxyVersion::V1 { "v1" } else { "v2" };
        writeln!(text, "send_proxy = '{version}'").unwrap();
    }
    if let Some(bytes) = max_body {
        writeln!(text, "max_body = {bytes}").unwrap();
    }
    let Timeouts { header, idle, body, connect, response, upgrade, backend_idle, shutdown } = timeouts;
    for (name, time) in [
        ("header", header),
        ("idle", idle),
        ("body", body),
        ("connect", connect),
        ("response", response),
        ("upgrade", upgrade),
        ("backend_idle", backend_idle),
        ("shutdown", shutdown),
    ] {
        writeln!(text, "{name}_timeout = '{}'", format_duration(*time)).unwrap();
    }
}

/// `by` and what belongs to its words, but the cookie.
pub(super) fn write_by(text: &mut String, request: &Request, idle_timeout: Duration) {
    let Request { methods, prefix_v4, prefix_v6 } = request;
    if methods.is_empty() {
        return writeln!(text, "by = 'connection'").unwrap();
    }
    let words: Vec<_> = methods.iter().map(word).collect();
    match words[..] {
        [word] => writeln!(text, "by = '{word}'"),
        _ => writeln!(text, "by = {words:?}"),
    }
    .unwrap();
    for method in methods {
        match method {
            Method::Header(name) => writeln!(text, "header = '{name}'"),
            Method::Query(name) => writeln!(text, "query = {name:?}"),
            Method::Path(segments) => writeln!(text, "path_segments = {segments}"),
            Method::ClientIp => writeln!(text, "prefix_v4 = {prefix_v4}\nprefix_v6 = {prefix_v6}"),
            Method::Insert(_) | Method::Prefix { .. } | Method::Learn { .. } => Ok(()),
        }
        .unwrap();
    }
    writeln!(text, "idle_timeout = '{}'", format_duration(idle_timeout)).unwrap();
}

fn word(method: &Method) -> &'static str {
    match method {
        Method::Insert(_) | Method::Prefix { .. } | Method::Learn { .. } => "cookie",
        Method::Header(_) => "header",
        Method::Query(_) => "query",
        Method::Path(_) => "path",
        Method::ClientIp => "client-ip",
    }
}

/// `[service.persistence.cookie]`, where there is one.
pub(super) fn write_cookie(text: &mut String, request: &Request) {
    for method in &request.methods {
        let (mode, name) = match method {
            Method::Insert(cookie) => ("insert", &cookie.name),
            Method::Prefix { name } => ("prefix", name),
            Method::Learn { name } => ("learn", name),
            _ => continue,
        };
        writeln!(text, "[service.persistence.cookie]\nmode = '{mode}'\nname = {name:?}").unwrap();
        if let Method::Insert(cookie) = method {
            write_attributes(text, cookie);
        }
    }
}

fn write_attributes(text: &mut String, cookie: &Cookie) {
    let Cookie { name: _, path, domain, secure, http_only, same_site, max_age, partitioned, pass_on } =
        cookie;
    let same_site = match same_site {
        SameSite::Strict => "strict",
        SameSite::None => "none",
        SameSite::Lax => "lax",
    };
    writeln!(
        text,
        "path = {path:?}\nsecure = {secure}\nhttp_only = {http_only}\nsame_site = '{same_site}'\n\
         partitioned = {partitioned}\npass_on = {pass_on}"
    )
    .unwrap();
    if let Some(domain) = domain {
        writeln!(text, "domain = '{domain}'").unwrap();
    }
    if let Some(time) = max_age {
        writeln!(text, "max_age = '{}'", format_duration(*time)).unwrap();
    }
}
