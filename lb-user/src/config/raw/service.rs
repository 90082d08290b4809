//! `[[service]]` and the tables in it.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use ipnet::IpNet;
use lb_common::quic::scheme::{Key, Scheme};

use crate::{
    config::{
        defaults,
        prefixes::{self, Listed},
        reader::Reader,
        report::{At, Place},
        values,
    },
    model::{OnDrain, OnFull, Protocol, Scheduler},
};

/// Ports next to each other, or one; 0 alone is every port.
pub(crate) type PortSpan = RangeInclusive<u16>;

/// `[[service]]`
pub(crate) struct Service {
    pub(crate) place: Place,
    pub(crate) name: Option<At<String>>,
    pub(crate) address: Option<At<IpAddr>>,
    /// Of `port` or `ports`.
    pub(crate) ports: Option<At<Vec<At<PortSpan>>>>,
    pub(crate) protocol: Option<At<Protocol>>,
    pub(crate) forwarding: Option<At<Forwarding>>,
    pub(crate) preserve_client: Option<At<bool>>,
    pub(crate) slots: Option<At<u32>>,
    pub(crate) scheduler: Option<At<Scheduler>>,
    pub(crate) max_load: Option<At<u32>>,
    pub(crate) slow_start: Option<At<Duration>>,
    pub(crate) persistence: Persistence,
    pub(crate) access: Access,
    pub(crate) health: Health,
    pub(crate) backends: Option<At<Vec<Backend>>>,
}

/// The words of `forwarding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forwarding {
    Nat,
    Dsr,
    Ipip,
    Gue,
}

/// `[service.persistence]`
pub(crate) struct Persistence {
    pub(crate) by: Option<At<PersistBy>>,
    pub(crate) prefix_v4: Option<At<u8>>,
    pub(crate) prefix_v6: Option<At<u8>>,
    pub(crate) idle_timeout: Option<At<Duration>>,
    pub(crate) max_lifetime: Option<At<Duration>>,
    pub(crate) quic: Option<At<Vec<Quic>>>,
    pub(crate) group: Option<At<String>>,
    pub(crate) on_down: Option<At<OnDown>>,
    pub(crate) hold: Option<At<Duration>>,
    pub(crate) on_drain: Option<At<OnDrain>>,
    pub(crate) drain_deadline: Option<At<Duration>>,
    pub(crate) on_full: Option<At<OnFull>>,
    pub(crate) masks: Option<At<Vec<Mask>>>,
}

/// The words of `on_down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDown {
    Repin,
    Lend,
    Refuse,
    Hold,
}

/// `[[service.persistence.mask]]`
pub(crate) struct Mask {
    pub(crate) prefix: Option<At<IpNet>>,
    pub(crate) bits: Option<At<u8>>,
}

/// The words of `by`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PersistBy {
    Connection,
    ClientIp,
    QuicCid,
}

/// `[[service.persistence.quic]]`
pub(crate) struct Quic {
    pub(crate) config: Option<At<u8>>,
    pub(crate) server_id_length: Option<At<u8>>,
    pub(crate) nonce_length: Option<At<u8>>,
    /// The file has a key, be it good or bad.
    pub(crate) has_key: bool,
    pub(crate) key: Option<At<Key>>,
}

/// `[service.access]`
pub(crate) struct Access {
    pub(crate) place: Place,
    /// Of the list and the file.
    pub(crate) allow: Option<Vec<Listed>>,
    pub(crate) allow_file: Option<At<String>>,
    /// Of the list and the file.
    pub(crate) deny: Option<Vec<Listed>>,
}

/// `[service.health]`
pub(crate) struct Health {
    pub(crate) check: Option<At<CheckType>>,
    pub(crate) port: Option<At<u16>>,
    pub(crate) path: Option<At<String>>,
    pub(crate) interval: Option<At<Duration>>,
    pub(crate) timeout: Option<At<Duration>>,
    pub(crate) rise: Option<At<u32>>,
    pub(crate) fall: Option<At<u32>>,
}

/// The words of `type`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckType {
    None,
    Tcp,
    Http,
}

/// `[[service.backend]]`
pub(crate) struct Backend {
    pub(crate) place: Place,
    pub(crate) name: Option<At<String>>,
    pub(crate) address: Option<At<IpAddr>>,
    pub(crate) port: Option<At<u16>>,
    pub(crate) weight: Option<At<u32>>,
    /// The file has a server id, be it good or bad.
    pub(crate) has_server_id: bool,
    pub(crate) server_id: Option<At<Vec<u8>>>,
}

impl Service {
    /// The backends as far as the file has any.
    pub(crate) fn backends(&self) -> &[Backend] {
        self.backends.as_ref().map_or(&[], |backends| &backends.value)
    }

    pub(super) fn read(mut table: Reader<'_>) -> Self {
        table.require(&["name", "address", "backend"]);
        table.require_either("port", "ports");
        let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];
        let name = table.string("name").given();
        let address = table.parsed("address", values::AN_ADDRESS, values::address).given();
        let port = table.port_or_any("port").given();
        let ports = table.port_list("ports").given().or(port);
        let protocol = table.one_of("protocol", &protocols).or(defaults::PROTOCOL);
        let service_port = ports.as_ref().and_then(|ports| only_port(&ports.value));
        let schedulers = [("hash", Scheduler::Hash), ("least-sessions", Scheduler::LeastSessions)];
        let modes = [
            ("nat", Forwarding::Nat),
            ("dsr", Forwarding::Dsr),
            ("ipip", Forwarding::Ipip),
            ("gue", Forwarding::Gue),
        ];
        let service = Self {
            place: table.place().clone(),
            forwarding: table.one_of("forwarding", &modes).or(defaults::FORWARDING),
            preserve_client: table.boolean("preserve_client").or(defaults::PRESERVE_CLIENT),
            slots: table.integer("slots", defaults::SLOTS_RANGE).or(defaults::SLOTS),
            scheduler: table.one_of("scheduler", &schedulers).or(defaults::SCHEDULER),
            max_load: table.integer("max_load", defaults::MAX_LOAD_RANGE).given(),
            slow_start: table.duration("slow_start", &defaults::SLOW_START_RANGE).given(),
            persistence: Persistence::read(table.table("persistence", "[service.persistence]")),
            access: Access::read(table.table("access", "[service.access]")),
            health: Health::read(
                table.table("health", "[service.health]"),
                protocol.as_ref().map(|protocol| protocol.value),
            ),
            backends: table
                .tables("backend", "[[service.backend]]")
                .given()
                .map(|it| it.map(|tables| Backend::read_all(tables, service_port))),
            name,
            address,
            ports,
            protocol,
        };
        table.finish();
        service
    }
}

/// The port of a service that has only one.
pub(super) fn only_port(ports: &[At<PortSpan>]) -> Option<u16> {
    match ports {
        [one] if one.value.len() == 1 && *one.value.start() != 0 => Some(*one.value.start()),
        _ => None,
    }
}

impl Persistence {
    fn read(mut table: Reader<'_>) -> Self {
        let persistence = Self {
            by: table
                .one_of(
                    "by",
                    &[
                        ("client-ip", PersistBy::ClientIp),
                        ("connection", PersistBy::Connection),
                        ("quic-cid", PersistBy::QuicCid),
                    ],
                )
                .or(defaults::BY),
            prefix_v4: table.integer("prefix_v4", 1..=32).or(defaults::PREFIX_V4),
            prefix_v6: table.integer("prefix_v6", 1..=128).or(defaults::PREFIX_V6),
            idle_timeout: table
                .duration("idle_timeout", &defaults::IDLE_TIMEOUT_RANGE)
                .or(defaults::IDLE_TIMEOUT),
            max_lifetime: table.duration("max_lifetime", &defaults::MAX_LIFETIME_RANGE).given(),
            quic: table
                .tables("quic", "[[service.persistence.quic]]")
                .given()
                .map(|it| it.map(|tables| tables.into_iter().map(Quic::read).collect())),
            group: table.string("group").given(),
            on_down: table
                .one_of(
                    "on_down",
                    &[
                        ("repin", OnDown::Repin),
                        ("lend", OnDown::Lend),
                        ("refuse", OnDown::Refuse),
                        ("hold", OnDown::Hold),
                    ],
                )
                .or(defaults::ON_DOWN),
            hold: table.duration("hold", &defaults::HOLD_RANGE).or(defaults::HOLD),
            on_drain: table
                .one_of("on_drain", &[("keep", OnDrain::Keep), ("move", OnDrain::Move)])
                .or(defaults::ON_DRAIN),
            drain_deadline: table.duration("drain_deadline", &defaults::DRAIN_DEADLINE_RANGE).given(),
            on_full: table
                .one_of("on_full", &[("hash", OnFull::Hash), ("refuse", OnFull::Refuse)])
                .or(defaults::ON_FULL),
            masks: table
                .tables("mask", "[[service.persistence.mask]]")
                .given()
                .map(|it| it.map(|tables| tables.into_iter().map(Mask::read).collect())),
        };
        table.finish();
        persistence
    }
}

impl Mask {
    fn read(mut table: Reader<'_>) -> Self {
        table.require(&["prefix", "bits"]);
        let mask = Self {
            prefix: table.parsed("prefix", values::A_PREFIX, values::prefix).given(),
            bits: table.integer("bits", 1..=128).given(),
        };
        table.finish();
        mask
    }
}

impl Access {
    fn read(mut table: Reader<'_>) -> Self {
        let (allow, allow_file) = prefixes::read(&mut table, "allow", "allow_file");
        let (deny, _) = prefixes::read(&mut table, "deny", "deny_file");
        let access = Self { place: table.place().clone(), allow, allow_file, deny };
        table.finish();
        access
    }
}

impl Quic {
    fn read(mut table: Reader<'_>) -> Self {
        table.require(&["config", "server_id_length", "nonce_length"]);
        let quic = Self {
            config: table.integer("config", 0..=Scheme::LAST_ROTATION).given(),
            server_id_length: table.integer("server_id_length", 1..=Scheme::LONGEST_SERVER_ID).given(),
            nonce_length: table.integer("nonce_length", defaults::NONCE_LENGTH_RANGE).given(),
            has_key: table.has("key"),
            key: table.parsed("key", values::A_KEY, values::key).given(),
        };
        table.finish();
        quic
    }
}

impl Health {
    /// The type's default depends on the protocol.
    fn read(mut table: Reader<'_>, protocol: Option<Protocol>) -> Self {
        let types = [("tcp", CheckType::Tcp), ("http", CheckType::Http), ("none", CheckType::None)];
        let time = &defaults::HEALTH_TIME_RANGE;
        let health = Self {
            check: table.one_of("type", &types).or_maybe(protocol.map(defaults::health_check)),
            port: table.integer("port", 1..=u16::MAX).given(),
            path: table.string("path").or(defaults::HEALTH_PATH.to_owned()),
            interval: table.duration("interval", time).or(defaults::HEALTH_INTERVAL),
            timeout: table.duration("timeout", time).or(defaults::HEALTH_TIMEOUT),
            rise: table.integer("rise", defaults::RISE_FALL_RANGE).or(defaults::RISE),
            fall: table.integer("fall", defaults::RISE_FALL_RANGE).or(defaults::FALL),
        };
        table.finish();
        health
    }
}

impl Backend {
    fn read_all(tables: Vec<Reader<'_>>, service_port: Option<u16>) -> Vec<Self> {
        tables.into_iter().map(|table| Self::read(table, service_port)).collect()
    }

    /// The port's default is the service's, where that has only one.
    fn read(mut table: Reader<'_>, service_port: Option<u16>) -> Self {
        table.require(&["name", "address"]);
        let backend = Self {
            place: table.place().clone(),
            name: table.string("name").given(),
            address: table.parsed("address", values::AN_ADDRESS, values::address).given(),
            port: table.integer("port", 1..=u16::MAX).or_maybe(service_port),
            weight: table.integer("weight", 0..=defaults::MAX_WEIGHT).or(defaults::WEIGHT),
            has_server_id: table.has("server_id"),
            server_id: table.parsed("server_id", values::A_SERVER_ID, values::server_id).given(),
        };
        table.finish();
        backend
    }
}
