//! What good files mean.

use std::time::Duration;

use super::{GOOD, parse};
use crate::model::{
    AttachMode, Backend, Check, Forwarding, Health, Interface, Limits, Model, Nat, OnDown, OnDrain, OnFull,
    PersistBy, Persistence, Ports, Protocol, Scheduler, Service, Tunnel,
};

#[test]
fn an_empty_file_is_a_balancer_of_nothing() {
    for text in ["", "# nothing\n", "service = []"] {
        let model = parse(text, "f").unwrap();
        assert_eq!((model.services.len(), model.interface.names.len()), (0, 0));
    }
}

#[test]
fn the_example_of_the_design() {
    let text = r#"
        [interface]
        names = ["eth0"]
        mode = "auto"
        claim = true

        [nat]
        source = ["10.0.0.2"]
        ports = "1024-32767"

        [http]
        listen = "127.0.0.1:7070"

        [[service]]
        name = "web"
        address = "192.0.2.10"
        port = 80
        protocol = "tcp"
        forwarding = "nat"
        scheduler = "hash"

        [service.persistence]
        by = "client-ip"
        prefix_v4 = 32
        prefix_v6 = 64
        idle_timeout = "30m"
        max_lifetime = "8h"
        on_down = "repin"

        [service.health]
        type = "http"
        path = "/healthz"
        interval = "2s"
        timeout = "1s"
        rise = 2
        fall = 3

        [[service.backend]]
        name = "web-1"
        address = "10.0.0.11"
        port = 8080
        weight = 100
    "#;
    let seconds = Duration::from_secs;
    let expected = Model {
        interface: Interface { names: vec!["eth0".into()], mode: AttachMode::Auto, claim: true },
        nat: Nat { source: vec!["10.0.0.2".parse().unwrap()], ports: (1024, 32767) },
        tunnel: Tunnel { source: Vec::new(), gue_port: 6080, mtu: 1500 },
        http: Some("127.0.0.1:7070".parse().unwrap()),
        secret: None,
        snapshot_interval: Some(seconds(60)),
        limits: Limits {
            flows: 524_288,
            affinity: 65_536,
            pins: 65_536,
            services: 1024,
            access: 1_048_576,
            backends: 4096,
            slots: 1_048_576,
            nat_connections: 126_976,
            fragments: 8192,
            new_flows_per_second: 125_000,
            new_pins_per_second: 64,
        },
        services: vec![Service {
            name: "web".into(),
            address: "192.0.2.10".parse().unwrap(),
            ports: Ports::One(80),
            protocol: Protocol::Tcp,
            forwarding: Forwarding::Nat { preserve_client: false },
            http: None,
            persistence: Persistence {
                by: PersistBy::ClientIp { prefix_v4: 32, prefix_v6: 64 },
                idle_timeout: seconds(30 * 60),
                max_lifetime: Some(seconds(8 * 3600)),
                group: None,
                on_down: OnDown::Repin,
                on_drain: OnDrain::Keep,
                drain_deadline: None,
                on_full: OnFull::Hash,
                masks: Vec::new(),
            },
            access: None,
            health: Health {
                port: None,
                check: Check::Http { path: "/healthz".into() },
                interval: seconds(2),
                timeout: seconds(1),
                rise: 2,
                fall: 3,
            },
            slots: 4096,
            scheduler: Scheduler::Hash,
            max_load: None,
            slow_start: None,
            backends: vec![Backend {
                name: "web-1".into(),
                address: "10.0.0.11".parse().unwrap(),
                port: Some(8080),
                weight: 100,
                server_id: Vec::new(),
            }],
        }],
    };
    assert_eq!(parse(text, "f").unwrap(), expected);
}

#[test]
fn a_backend_listens_on_the_port_of_its_service() {
    let text = GOOD.join("\n").replace("port = 8080\n", "");
    assert_eq!(parse(&text, "f").unwrap().services[0].backends[0].port, Some(80));
}

#[test]
fn udp_servers_are_not_probed_unless_asked() {
    let udp = [&GOOD[..16], &["protocol = 'udp'"], &GOOD[28..]].concat().join("\n");
    assert_eq!(parse(&udp, "f").unwrap().services[0].health.check, Check::None);
    let asked = udp.replace("[[service.backend]]", "[service.health]\ntype = 'tcp'\n[[service.backend]]");
    assert_eq!(parse(&asked, "f").unwrap().services[0].health.check, Check::Tcp);
}

#[test]
fn connections_alone() {
    let text = [&GOOD[..20], &["by = 'connection'"], &GOOD[23..]].concat().join("\n");
    let persistence = parse(&text, "f").unwrap().services.remove(0).persistence;
    assert_eq!((persistence.by, persistence.max_lifetime), (PersistBy::Connection, None));
}
