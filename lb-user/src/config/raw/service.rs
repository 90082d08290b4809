//! `[[service]]` and the tables in it.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use super::{Http, Persistence};
use crate::{
    config::{
        defaults,
        prefixes::{self, Listed},
        reader::Reader,
        report::{At, Place},
        values,
    },
    model::{Protocol, Scheduler},
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
    pub(crate) http: Http,
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
    /// The file has a port, be it good or bad.
    pub(crate) has_port: bool,
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
        let protocols = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("http", Protocol::Http)];
        let name = table.string("name").given();
        let address = table.parsed("address", values::AN_ADDRESS, values::address).given();
        let port = table.port_or_any("port").given();
        let ports = table.port_list("ports").given().or(port);
        let protocol = table.one_of("protocol", &protocols).or(defaults::PROTOCOL);
        let which = protocol.as_ref().map(|protocol| protocol.value);
        let http = Http::read(table.table("http", "[service.http]"));
        let service_port =
            ports.as_ref().and_then(|ports| only_port(&ports.value)).filter(|_| !http.speaks_tls());
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
            persistence: Persistence::read(table.table("persistence", "[service.persistence]"), which),
            access: Access::read(table.table("access", "[service.access]")),
            health: Health::read(table.table("health", "[service.health]"), which),
            backends: table
                .tables("backend", "[[service.backend]]")
                .given()
                .map(|it| it.map(|tables| Backend::read_all(tables, service_port))),
            name,
            address,
            ports,
            protocol,
            http,
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

impl Access {
    fn read(mut table: Reader<'_>) -> Self {
        let (allow, allow_file) = prefixes::read(&mut table, "allow", "allow_file");
        let (deny, _) = prefixes::read(&mut table, "deny", "deny_file");
        let access = Self { place: table.place().clone(), allow, allow_file, deny };
        table.finish();
        access
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

    /// The port's default is the service's, where that has only one and speaks no TLS.
    fn read(mut table: Reader<'_>, service_port: Option<u16>) -> Self {
        table.require(&["name", "address"]);
        let backend = Self {
            place: table.place().clone(),
            name: table.string("name").given(),
            address: table.parsed("address", values::AN_ADDRESS, values::address).given(),
            has_port: table.has("port"),
            port: table.integer("port", 1..=u16::MAX).or_maybe(service_port),
            weight: table.integer("weight", 0..=defaults::MAX_WEIGHT).or(defaults::WEIGHT),
            has_server_id: table.has("server_id"),
            server_id: table.parsed("server_id", values::A_SERVER_ID, values::server_id).given(),
        };
        table.finish();
        backend
    }
}
