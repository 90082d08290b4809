//! Properties: nothing panics, and what is written is what is meant.

mod http;
mod write;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use lb_common::quic::scheme::{Key, Scheme};
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    sample::select,
};

use self::write::written;
use super::super::defaults;
use super::{GOOD, http::GOOD as GOOD_HTTP, parse};
use crate::{
    access::{AccessList, Admission, Prefix, Rule},
    model::{
        AttachMode, Backend, Check, Forwarding, Health, Interface, Limits, Model, Nat, OnDown, OnDrain,
        OnFull, PersistBy, Persistence, Ports, Protocol, Scheduler, Service, Tunnel,
    },
};

/// Lines that each mean something, in files that as a whole mostly do not.
fn line() -> impl Strategy<Value = String> {
    let lines = || GOOD.iter().chain(GOOD_HTTP);
    let keys: Vec<_> = lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    let values: Vec<_> = lines().filter_map(|line| Some(line.split_once(" = ")?.1)).collect();
    let odd = ["[]", "{}", "0", "-1", "1e9", "nan", "''", "'\u{e9}'", "[[1]]", "1979-05-27", "{name = 1}"];
    prop_oneof![
        3 => select(GOOD).prop_map(str::to_owned),
        2 => select(GOOD_HTTP).prop_map(str::to_owned),
        2 => (select(keys.clone()), select(values)).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => (select(keys), select(odd.to_vec())).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => select(&["[service]", "service = 1", "[service.health.type]", "[[interface]]"][..])
            .prop_map(str::to_owned),
    ]
}

/// The lines of a good file, with some replaced.
fn bent(file: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec((0..file.len(), line()), 0..5).prop_map(|changes| {
        let mut lines: Vec<_> = file.iter().map(ToString::to_string).collect();
        for (at, line) in changes {
            lines[at] = line;
        }
        lines.join("\n")
    })
}

fn check_places(text: &str) {
    let Err(errors) = parse(text, "f") else {
        return;
    };
    assert!(!errors.as_slice().is_empty());
    for error in errors.as_slice() {
        let line = text.split('\n').nth(error.line.unwrap() - 1).expect("the line is in the file");
        assert!(error.column.unwrap() <= line.chars().count() + 1, "{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_text_gets_an_answer(text in any::<String>()) {
        check_places(&text);
    }

    #[test]
    fn lines_in_any_order_get_an_answer(lines in vec(line(), 0..40)) {
        check_places(&lines.join("\n"));
    }

    #[test]
    fn a_bent_file_gets_an_answer(text in prop_oneof![bent(GOOD), bent(GOOD_HTTP)]) {
        check_places(&text);
    }

    #[test]
    fn what_is_written_is_what_is_meant(model in model()) {
        let text = written(&model);
        prop_assert_eq!(parse(&text, "f").map_err(|errors| format!("{errors}\n{text}")), Ok(model));
    }
}

/// A length of time in milliseconds, which the file can express.
fn time(low: Duration, high: Duration) -> impl Strategy<Value = Duration> {
    let [low, high] = [low, high].map(|bound| u64::try_from(bound.as_millis()).unwrap());
    (low..=high).prop_map(Duration::from_millis)
}

fn persistence() -> impl Strategy<Value = Persistence> {
    let (low, high) = defaults::IDLE_TIMEOUT_RANGE.into_inner();
    let longest = *defaults::MAX_LIFETIME_RANGE.end();
    let by_client = (1..=32u8, 1..=128u8, time(low, high))
        .prop_flat_map(move |it| (Just(it), option::of(time(it.2, longest))))
        .prop_map(|((prefix_v4, prefix_v6, idle_timeout), max_lifetime)| Persistence {
            idle_timeout,
            max_lifetime,
            ..Persistence::new(PersistBy::ClientIp { prefix_v4, prefix_v6 })
        });
    let policies = (
        prop_oneof![
            Just(OnDown::Repin),
            Just(OnDown::Lend),
            Just(OnDown::Refuse),
            time(*defaults::HOLD_RANGE.start(), *defaults::HOLD_RANGE.end()).prop_map(OnDown::Hold),
        ],
        select(&[OnDrain::Keep, OnDrain::Move][..]),
        option::of(time(*defaults::DRAIN_DEADLINE_RANGE.start(), *defaults::DRAIN_DEADLINE_RANGE.end())),
        select(&[OnFull::Hash, OnFull::Refuse][..]),
        any::<bool>(),
    );
    let with_policies = (by_client, policies).prop_map(
        |(persistence, (on_down, on_drain, drain_deadline, on_full, is_masked))| {
            let prefix = "100.64.0.0/10".parse().expect("a prefix");
            let masks = if is_masked { vec![(prefix, 24)] } else { Vec::new() };
            Persistence { on_down, on_drain, drain_deadline, on_full, masks, ..persistence }
        },
    );
    prop_oneof![with_policies, Just(Persistence::new(PersistBy::Connection))]
}

fn health() -> impl Strategy<Value = Health> {
    let (low, high) = defaults::HEALTH_TIME_RANGE.into_inner();
    let check = prop_oneof![Just(Check::Tcp), "/[!-~]{0,20}".prop_map(|path| Check::Http { path }),];
    let probed = (check, 1..=u16::MAX, time(low, high), 1..=100u32, 1..=100u32)
        .prop_flat_map(move |it| (time(low, it.2), Just(it)))
        .prop_map(|(timeout, (check, port, interval, rise, fall))| Health {
            check,
            port: Some(port),
            interval,
            timeout,
            rise,
            fall,
        });
    let unprobed = Health {
        check: Check::None,
        port: None,
        interval: defaults::HEALTH_INTERVAL,
        timeout: defaults::HEALTH_TIMEOUT,
        rise: defaults::RISE,
        fall: defaults::FALL,
    };
    prop_oneof![probed, Just(unprobed)]
}

/// An access list for a service of this family, or none.
fn access(v6: bool) -> impl Strategy<Value = Option<Arc<AccessList>>> {
    let rule = (any::<u128>(), 1..=32u8, any::<bool>()).prop_map(move |(bits, length, allows)| {
        let net = match v6 {
            true => IpNet::new(Ipv6Addr::from(bits | 1 << 127).into(), length),
            false => IpNet::new(Ipv4Addr::from(bits as u32).into(), length),
        };
        let admission = if allows { Admission::Allow } else { Admission::Deny };
        Rule { prefix: net.unwrap().into(), admission }
    });
    vec(rule, 0..6).prop_map(move |mut rules| {
        let everybody = rules.iter().all(|rule| rule.admission == Admission::Deny);
        let admission = if everybody { Admission::Allow } else { Admission::Deny };
        let empty = rules.is_empty();
        rules.push(Rule { prefix: Prefix::whole(v6), admission });
        let list = AccessList::new(rules);
        (!empty && list.admits_anybody()).then(|| list.into())
    })
}

fn ports() -> impl Strategy<Value = Ports> {
    let list = btree_set(1..=u16::MAX, 2..5).prop_map(|ports| Ports::List(ports.into_iter().rev().collect()));
    prop_oneof![(1..=u16::MAX).prop_map(Ports::One), list, Just(Ports::Any)]
}

/// Schemes with server ids of one length, for a UDP service that asks for connection ids.
fn schemes() -> impl Strategy<Value = Vec<Scheme>> {
    let scheme = |server: u8| (4..=19 - server, option::of(any::<[u8; 16]>()));
    (1..=15u8).prop_flat_map(move |server| (Just(server), vec(scheme(server), 1..=7))).prop_map(
        |(server, schemes)| {
            let numbered = (0..).zip(schemes);
            numbered.map(|(at, (nonce, key))| Scheme::new(at, server, nonce, key.map(Key)).unwrap()).collect()
        },
    )
}

/// A service of whatever protocol.
fn service(index: u8) -> impl Strategy<Value = Service> {
    prop_oneof![3 => packets(index), 1 => http::service(index)]
}

/// A service of packets, with backends and addresses numbered by `index` so that none occurs twice.
fn packets(index: u8) -> impl Strategy<Value = Service> {
    let protocol = select(&[Protocol::Tcp, Protocol::Udp][..]);
    let forwarding = prop_oneof![
        any::<bool>().prop_map(|preserve_client| Forwarding::Nat { preserve_client }),
        select(&[Forwarding::Dsr, Forwarding::Ipip, Forwarding::Gue][..]),
    ];
    let names = "[A-Za-z0-9._-]{1,60}";
    let backends = vec((names, 1..=u16::MAX, 1..=u32::from(u16::MAX)), 1..8);
    let head = (any::<bool>(), ports(), protocol, forwarding, 8..=14u32, names);
    let quic = option::of(schemes());
    let rest = (persistence(), health(), [false, true].map(access), backends, quic);
    (head, rest).prop_map(move |(head, (persistence, health, access, backends, quic))| {
        let (v6, ports, protocol, forwarding, slots, name) = head;
        let address = |net: u8, host: u8| match v6 {
            true => IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, net.into(), 0, 0, 0, host.into())),
            false => IpAddr::from(Ipv4Addr::new(10, net, 0, host)),
        };
        let quic = quic.filter(|_| protocol == Protocol::Udp);
        let ids = quic.as_ref().map(|schemes| schemes[0].server_length());
        let mut persistence = match quic {
            None => persistence,
            Some(schemes) => Persistence::new(PersistBy::QuicCid(schemes)),
        };
        if v6 {
            persistence.masks.clear();
        }
        let has_sessions = matches!(persistence.by, PersistBy::ClientIp { .. });
        let backend = |(host, (name, own_port, weight)): (u8, (String, u16, u32))| Backend {
            name: format!("{name}-{host}"),
            address: address(index, host),
            port: match &ports {
                Ports::One(port) if forwarding.is_direct() => Some(*port),
                Ports::One(_) => Some(own_port),
                _ if matches!(forwarding, Forwarding::Nat { preserve_client: false }) => {
                    Some(own_port).filter(|port| port % 2 == 0)
                }
                _ => None,
            },
            weight,
            server_id: ids.map_or(Vec::new(), |length| {
                let mut id = vec![0; length];
                id[length - 1] = host;
                id
            }),
        };
        Service {
            name: format!("{name}-{index}"),
            address: address(200, index),
            backends: (1..).zip(backends).map(backend).collect(),
            ports,
            protocol,
            forwarding,
            http: None,
            persistence,
            access: access[usize::from(v6)].clone(),
            health,
            slots: 1 << slots,
            scheduler: if has_sessions && slots % 2 == 0 {
                Scheduler::LeastSessions
            } else {
                Scheduler::Hash
            },
            max_load: has_sessions.then_some(125).filter(|_| slots % 3 == 0),
            slow_start: Some(Duration::from_secs(30)).filter(|_| slots % 4 == 0),
        }
    })
}

fn model() -> impl Strategy<Value = Model> {
    let mode = select(&[AttachMode::Auto, AttachMode::Driver, AttachMode::Generic][..]);
    let interface =
        (vec("[a-z0-9]{1,13}", 1..4), mode, any::<bool>()).prop_map(|(names, mode, claim)| Interface {
            names: names.iter().enumerate().map(|(index, name)| format!("{name}-{index}")).collect(),
            mode,
            claim,
        });
    let sources = [vec![], vec!["10.255.0.1".parse().unwrap(), "2001:db8:ff::1".parse().unwrap()]];
    let nat = (select(sources.to_vec()), 1024..=64_000u16, 1024..=u16::MAX)
        .prop_map(|(source, first, width)| Nat { source, ports: (first, first.saturating_add(width)) });
    let sources = [vec![], vec!["10.254.0.0/16".parse().unwrap(), "2001:db8:fe::1/128".parse().unwrap()]];
    let tunnel = (select(sources.to_vec()), 1..=u16::MAX, 1328..=u16::MAX)
        .prop_map(|(source, gue_port, mtu)| Tunnel { source, gue_port, mtu });
    let limits =
        (1024..=1u32 << 28, 1024..=1u32 << 24, 1024..=1u32 << 24).prop_map(|(flows, affinity, pins)| {
            Limits {
                flows,
                affinity,
                pins,
                nat_connections: pins,
                fragments: affinity,
                new_flows_per_second: flows / 4,
                new_pins_per_second: pins,
                services: 100,
                access: pins,
                backends: 1000,
                slots: 1 << 20,
            }
        });
    let http = option::of((any::<Ipv4Addr>(), 1..=u16::MAX).prop_map(SocketAddr::from));
    let secret = option::of("[ -&(-~\u{e9}]{16,40}");
    let snapshots = option::of((1_000..=86_400_000u64).prop_map(Duration::from_millis));
    let services = (0..4u8).prop_flat_map(|count| (1..=count).map(service).collect::<Vec<_>>());
    (interface, nat, tunnel, http, secret, snapshots, limits, services)
        .prop_map(|(interface, nat, tunnel, http, secret, snapshot_interval, limits, services)| Model {
            interface,
            nat,
            tunnel,
            http,
            secret,
            snapshot_interval,
            limits,
            services,
        })
        // A range that ends at the last port can be narrower than what was asked for.
        .prop_filter("wide enough", |model| model.nat.ports.1 - model.nat.ports.0 >= 1023)
}
