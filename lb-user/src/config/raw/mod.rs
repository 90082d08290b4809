//! The file's content with each value well-typed, within its own bounds and aware of where it stands. How
//! values go together is for [`crate::model`] to judge.
//!
//! `None` is a setting without default that the file lacks, or one with an error that has been reported.

mod addition;
mod cookie;
mod http;
mod persistence;
mod service;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

pub(crate) use self::{
    cookie::{Cookie, CookieMode},
    http::{Certificate, Http, Timeouts},
    persistence::{Mask, OnDown, PersistBy, Persistence, Quic},
    service::{Access, Backend, CheckType, Forwarding, Health, PortSpan, Service},
};
use super::{defaults, reader::Reader, report::At, values};
use crate::model::AttachMode;

/// The whole file.
pub(crate) struct File {
    pub(crate) interface: Interface,
    pub(crate) nat: Nat,
    pub(crate) tunnel: Tunnel,
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) secret: Option<At<String>>,
    /// `None` in it: off.
    pub(crate) snapshot_interval: Option<At<Option<Duration>>>,
    pub(crate) limits: Limits,
    pub(crate) services: Vec<Service>,
}

/// `[interface]`
pub(crate) struct Interface {
    /// The file has such a table.
    pub(crate) given: bool,
    pub(crate) names: Option<At<Vec<At<String>>>>,
    pub(crate) mode: Option<At<AttachMode>>,
    pub(crate) claim: Option<At<bool>>,
}

/// `[nat]`
pub(crate) struct Nat {
    pub(crate) source: Option<At<Vec<At<IpAddr>>>>,
    pub(crate) ports: Option<At<(u16, u16)>>,
}

/// `[tunnel]`
pub(crate) struct Tunnel {
    pub(crate) source: Option<At<Vec<At<IpNet>>>>,
    pub(crate) gue_port: Option<At<u16>>,
    pub(crate) mtu: Option<At<u16>>,
}

/// `[limits]`
pub(crate) struct Limits {
    pub(crate) flows: Option<At<u32>>,
    pub(crate) affinity: Option<At<u32>>,
    pub(crate) pins: Option<At<u32>>,
    pub(crate) services: Option<At<u32>>,
    pub(crate) access: Option<At<u32>>,
    pub(crate) backends: Option<At<u32>>,
    pub(crate) slots: Option<At<u32>>,
    pub(crate) nat_connections: Option<At<u32>>,
    pub(crate) fragments: Option<At<u32>>,
    pub(crate) new_flows_per_second: Option<At<u32>>,
    pub(crate) new_pins_per_second: Option<At<u32>>,
}

impl File {
    pub(super) fn read(mut root: Reader<'_>) -> Self {
        let given = root.has("interface");
        let mut http = root.table("http", "[http]");
        let mut hash = root.table("hash", "[hash]");
        let mut sessions = root.table("sessions", "[sessions]");
        let services = root.tables("service", "[[service]]").given();
        let file = Self {
            interface: Interface::read(root.table("interface", "[interface]"), given),
            nat: Nat::read(root.table("nat", "[nat]")),
            tunnel: Tunnel::read(root.table("tunnel", "[tunnel]")),
            listen: http.parsed("listen", values::A_SOCKET, values::listen).given(),
            secret: hash.string("secret").given(),
            snapshot_interval: sessions
                .duration_or_off("snapshot_interval", &defaults::SNAPSHOT_RANGE)
                .or(defaults::SNAPSHOT_INTERVAL),
            limits: Limits::read(root.table("limits", "[limits]")),
            services: services.into_iter().flat_map(|it| it.value).map(Service::read).collect(),
        };
        for reader in [http, hash, sessions, root] {
            reader.finish();
        }
        file
    }
}

impl Interface {
    fn read(mut table: Reader<'_>, given: bool) -> Self {
        table.require(&["names"]);
        let expected = "interface names in quotes such as [\"eth0\"]";
        let modes =
            [("auto", AttachMode::Auto), ("driver", AttachMode::Driver), ("generic", AttachMode::Generic)];
        let interface = Self {
            given,
            names: table.list("names", expected, |name| Ok(name.to_owned())).given(),
            mode: table.one_of("mode", &modes).or(defaults::MODE),
            claim: table.boolean("claim").or(defaults::CLAIM),
        };
        table.finish();
        interface
    }
}

impl Nat {
    fn read(mut table: Reader<'_>) -> Self {
        let nat = Self {
            source: table.list("source", values::AN_ADDRESS, values::address).or(Vec::new()),
            ports: table.parsed("ports", values::A_PORT_RANGE, values::ports).or(defaults::NAT_PORTS),
        };
        table.finish();
        nat
    }
}

impl Tunnel {
    fn read(mut table: Reader<'_>) -> Self {
        let tunnel = Self {
            source: table.list("source", values::A_PREFIX, values::prefix).or(Vec::new()),
            gue_port: table.integer("gue_port", 1..=u16::MAX).or(defaults::GUE_PORT),
            mtu: table.integer("mtu", defaults::TUNNEL_MTU_RANGE).or(defaults::TUNNEL_MTU),
        };
        table.finish();
        tunnel
    }
}

impl Limits {
    fn read(mut table: Reader<'_>) -> Self {
        let mut limit = |key, bounds, default| table.integer(key, bounds).or(default);
        let limits = Self {
            flows: limit("flows", defaults::FLOWS, defaults::LIMITS.flows),
            affinity: limit("affinity", defaults::SESSIONS, defaults::LIMITS.affinity),
            pins: limit("pins", defaults::SESSIONS, defaults::LIMITS.pins),
            services: limit("services", defaults::SERVICES, defaults::LIMITS.services),
            access: limit("access", defaults::ACCESS, defaults::LIMITS.access),
            backends: limit("backends", defaults::BACKENDS, defaults::LIMITS.backends),
            slots: limit("slots", defaults::ALL_SLOTS, defaults::LIMITS.slots),
            nat_connections: limit(
                "nat_connections",
                defaults::NAT_CONNECTIONS,
                defaults::LIMITS.nat_connections,
            ),
            fragments: limit("fragments", defaults::FRAGMENTS, defaults::LIMITS.fragments),
            new_flows_per_second: limit(
                "new_flows_per_second",
                defaults::PER_SECOND,
                defaults::LIMITS.new_flows_per_second,
            ),
            new_pins_per_second: limit(
                "new_pins_per_second",
                defaults::PER_SECOND,
                defaults::LIMITS.new_pins_per_second,
            ),
        };
        table.finish();
        limits
    }
}
