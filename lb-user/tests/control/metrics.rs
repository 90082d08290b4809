//! The metrics page over TCP.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use lb_common::reason::{Kind, Reason};
use lb_user::{
    api::{BackendState, Control, Service},
    metrics,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::{
    exposition::Exposition,
    fixture::{Fixed, backend, daemon, raw, status},
};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Head and body of `GET path`.
async fn get(control: impl Control, path: &str) -> (String, String) {
    let listener = metrics::bind(ANY_PORT).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(metrics::serve(listener, Arc::new(control), async {
        let _ = stopped.await;
    }));
    let answer = raw(TcpStream::connect(address).await.unwrap(), &format!("GET {path}")).await;
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

async fn scrape(control: impl Control) -> Exposition {
    let (head, body) = get(control, "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let format = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(format), "{head}");
    Exposition::parse(&body)
}

#[tokio::test]
async fn every_figure_of_the_status() {
    let page = scrape(daemon()).await;
    let web1 = [("service", "web"), ("backend", "web-1")];
    let web2 = [("service", "web"), ("backend", "web-2")];
    let of_web1 = |direction| [web1[0], web1[1], ("direction", direction)];
    for (name, labels, value) in [
        ("limpet_up", &[][..], 1.0),
        ("limpet_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
        ("limpet_uptime_seconds", &[], 7_384.0),
        ("limpet_interface_info", &[("interface", "eth1"), ("mode", "generic")], 1.0),
        ("limpet_packets_total", &of_web1("request"), 750_000.0),
        ("limpet_packets_total", &of_web1("reply"), 700_000.0),
        ("limpet_bytes_total", &of_web1("request"), 40_000_000.0),
        ("limpet_bytes_total", &of_web1("reply"), 1_605_000_000.0),
        ("limpet_connections_total", &web1, 25_000.0),
        ("limpet_backend_up", &web1, 1.0),
        ("limpet_backend_up", &web2, 0.0),
        ("limpet_backend_up", &[("service", "dns"), ("backend", "dns-1")], 0.0),
        ("limpet_backend_weight", &web1, 100.0),
        ("limpet_backend_share_ratio", &web1, 0.5),
        ("limpet_backend_reachable", &web1, 1.0),
        ("limpet_backend_reachable", &[("service", "web"), ("backend", "web-3")], 0.0),
        ("limpet_sessions", &web1, 15.0),
        ("limpet_flows", &web1, 20.0),
        ("limpet_drops_total", &[("reason", "no_backend")], 12.0),
        ("limpet_promises_kept_total", &[("service", "web")], 12_345.0),
        ("limpet_promises_broken_total", &[("service", "web"), ("cause", "down")], 3.0),
        ("limpet_promises_broken_total", &[("service", "web"), ("cause", "idle")], 0.0),
        ("limpet_table_entries", &[("table", "FLOWS")], 1_234.0),
        ("limpet_table_capacity", &[("table", "AFFINITY")], 65_536.0),
        ("limpet_table_size_bytes", &[("table", "FLOWS")], 4_194_304.0),
    ] {
        assert_eq!(page.value(name, labels), value, "{name} {labels:?}");
    }
    // Nobody counts the entries of AFFINITY: no figure is better than a wrong one.
    let counted = page.samples.keys().filter(|(name, _)| name == "limpet_table_entries");
    assert_eq!(counted.count(), 1);
}

#[tokio::test]
async fn every_reason_is_there_from_the_start() {
    let page = scrape(daemon()).await;
    for (kind, name, label) in [
        (Kind::Drop, "limpet_drops_total", "reason"),
        (Kind::Pass, "limpet_passes_total", "reason"),
        (Kind::Forward, "limpet_forwards_total", "reason"),
        (Kind::Event, "limpet_events_total", "event"),
    ] {
        let expected: BTreeSet<_> = Reason::ALL
            .iter()
            .filter(|reason| reason.kind() == kind)
            .map(|reason| vec![(label.to_owned(), reason.name().to_owned())])
            .collect();
        let found =
            page.samples.keys().filter(|(family, _)| family == name).map(|(_, labels)| labels.clone());
        assert_eq!(found.collect::<BTreeSet<_>>(), expected, "{name}");
    }
    assert!(page.samples.values().any(|value| *value == 0.0));
}

#[tokio::test]
async fn counters_are_counters() {
    let page = scrape(daemon()).await;
    let counters: Vec<_> =
        page.types.iter().filter(|(_, kind)| *kind == "counter").map(|(name, _)| &**name).collect();
    let expected = [
        "bytes",
        "connections",
        "drops",
        "events",
        "forwards",
        "packets",
        "passes",
        "promises_broken",
        "promises_kept",
    ];
    assert_eq!(counters, expected.map(|name| format!("limpet_{name}")));
}

#[tokio::test]
async fn any_name_fits_into_a_label() {
    let name = "a \"b\" \\ c\nd,e={}ü";
    let mut status = status();
    status.services[0].name = name.into();
    let page = scrape(Fixed { status: Some(status), ..Fixed::default() }).await;
    assert_eq!(page.value("limpet_sessions", &[("service", name), ("backend", "web-1")]), 15.0);
}

#[tokio::test]
async fn namesakes_are_summed_up() {
    let mut status = status();
    let gone = backend("web-1", "10.0.0.99", BackendState::Absent);
    let web: &mut Service = &mut status.services[0];
    web.backends.push(gone);
    let page = scrape(Fixed { status: Some(status), ..Fixed::default() }).await;
    let web1 = [("service", "web"), ("backend", "web-1")];
    for (name, value) in [
        ("limpet_connections_total", 50_000.0),
        ("limpet_flows", 40.0),
        ("limpet_backend_up", 1.0),
        ("limpet_backend_weight", 100.0),
        ("limpet_backend_reachable", 1.0),
    ] {
        assert_eq!(page.value(name, &web1), value, "{name}");
    }
}

#[tokio::test]
async fn a_daemon_that_is_not_well_says_so() {
    let page = scrape(Fixed::default()).await;
    assert_eq!(page.value("limpet_up", &[]), 0.0);
    let names: Vec<_> = page.types.keys().collect();
    assert_eq!(names, ["limpet_build_info", "limpet_up"]);
}

#[tokio::test]
async fn the_root_points_there() {
    let (head, body) = get(daemon(), "/").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(body, "limpet serves its metrics at /metrics\n");
    let (head, _) = get(daemon(), "/v1/status").await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
}

#[tokio::test]
async fn addresses_that_cannot_be_had() {
    let other = TcpListener::bind(ANY_PORT).await.unwrap();
    let taken = other.local_addr().unwrap();
    // A documentation address: no host has it.
    for (address, words) in [
        (taken, "another program listens there; choose another http.listen"),
        ("192.0.2.1:7070".parse().unwrap(), "no interface has this address; correct http.listen"),
    ] {
        let error = metrics::bind(address).await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot serve metrics on {address}: {words}"));
    }
}
