//! Every default and every bound of the configuration. `docs/configuration.md` shows the same values; a
//! test compares the two.

use std::{ops::RangeInclusive, time::Duration};

use lb_common::quic::scheme::Scheme;

use super::raw::{CheckType, CookieMode, Forwarding, OnDown, PersistBy};
use crate::model::{
    AttachMode, Limits, OnDrain, OnFull, Protocol, Scheduler,
    http::{Forwarded, SameSite, Timeouts, Version},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
const DAY: u64 = 24 * 60 * 60;

/// `interface.mode`.
pub(crate) const MODE: AttachMode = AttachMode::Auto;
/// `interface.claim`.
pub(crate) const CLAIM: bool = true;

/// `nat.ports`. Below the kernel's usual `ip_local_port_range` (32768-60999).
pub(crate) const NAT_PORTS: (u16, u16) = (1024, 32767);
/// Ports below this belong to well-known services of the host.
pub(crate) const NAT_FIRST_PORT: u16 = 1024;
/// Fewer ports would leave a CPU's slice too small to be of use.
pub(crate) const NAT_MIN_PORTS: u32 = 1024;

/// `tunnel.gue_port` (IANA "gue").
pub(crate) const GUE_PORT: u16 = 6080;
/// `tunnel.mtu`: Ethernet's.
pub(crate) const TUNNEL_MTU: u16 = 1500;
/// `tunnel.mtu`. Below, an IPv6 packet of 1280 bytes, which every path must take (RFC 8200 section 5), would not
/// fit behind 48 bytes of outer headers.
pub(crate) const TUNNEL_MTU_RANGE: RangeInclusive<u16> = 1280 + 48..=u16::MAX;

/// `sessions.snapshot_interval`: what a reboot loses at most, for half a megabyte a second where there are a million
/// sessions.
pub(crate) const SNAPSHOT_INTERVAL: Option<Duration> = Some(seconds(60));
/// `sessions.snapshot_interval`.
pub(crate) const SNAPSHOT_RANGE: RangeInclusive<Duration> = seconds(1)..=seconds(DAY);

/// Characters of `hash.secret`.
pub(crate) const SECRET_LENGTH: RangeInclusive<usize> = 16..=1024;

/// `limits`. Together under 64 MiB of maps: 16 MiB of flows (32 bytes each), 20 of sessions (at most 160
/// each, both kinds), 8 of source-rewritten connections (64 each), 8 of slots (8 each).
pub(crate) const LIMITS: Limits = Limits {
    flows: 524_288,
    affinity: 65_536,
    pins: 65_536,
    services: 1024,
    // Takes memory as prefixes come.
    access: 1_048_576,
    backends: 4096,
    slots: 1_048_576,
    // Four ranges of the default `nat.ports`.
    nat_connections: 126_976,
    fragments: 8192,
    // A core's whole time goes into forwarding several million packets a second; storing this many new
    // connections takes a few per cent of it.
    new_flows_per_second: 125_000,
    // It takes a forger 17 minutes to fill the default `pins` by way of one CPU, about as long as an idle one lasts.
    new_pins_per_second: 64,
};
/// `limits.flows`; the upper bound is 4 GiB.
pub(crate) const FLOWS: RangeInclusive<u32> = 1024..=1 << 28;
/// `limits.affinity` and `limits.pins`; the upper bound is 2.5 GiB each.
pub(crate) const SESSIONS: RangeInclusive<u32> = 1024..=1 << 24;
/// `limits.services`.
pub(crate) const SERVICES: RangeInclusive<u32> = 1..=1_000_000;
/// `limits.access`; 128 bytes each when in use, twice in a reload: the upper bound is 4 GiB.
pub(crate) const ACCESS: RangeInclusive<u32> = 1024..=1 << 24;
/// `limits.backends`.
pub(crate) const BACKENDS: RangeInclusive<u32> = 1..=1_000_000;
/// `limits.slots`; the lower bound is the live and the spare range of the smallest service.
pub(crate) const ALL_SLOTS: RangeInclusive<u32> = 2 * *SLOTS_RANGE.start()..=1 << 26;
/// `limits.new_flows_per_second` and `limits.new_pins_per_second`; more than any CPU makes.
pub(crate) const PER_SECOND: RangeInclusive<u32> = 1..=100_000_000;
/// `limits.nat_connections`; the upper bound is 1.1 GiB.
pub(crate) const NAT_CONNECTIONS: RangeInclusive<u32> = 1024..=1 << 24;

/// `limits.fragments`; the upper bound is 512 MiB.
pub(crate) const FRAGMENTS: RangeInclusive<u32> = 1024..=1 << 24;

/// `service.protocol`.
pub(crate) const PROTOCOL: Protocol = Protocol::Tcp;
/// `service.forwarding`.
pub(crate) const FORWARDING: Forwarding = Forwarding::Nat;
/// `service.preserve_client`.
pub(crate) const PRESERVE_CLIENT: bool = false;
/// `service.slots`.
pub(crate) const SLOTS: u32 = 4096;
/// `service.slots`, a power of two.
pub(crate) const SLOTS_RANGE: RangeInclusive<u32> = 256..=65_536;
/// With fewer slots a backend, shares would stray too far from the weights.
pub(crate) const MIN_SLOTS_PER_BACKEND: u32 = 16;

/// `service.scheduler`.
pub(crate) const SCHEDULER: Scheduler = Scheduler::Hash;
/// `service.max_load`, in per cent of a fair share.
pub(crate) const MAX_LOAD_RANGE: RangeInclusive<u32> = 101..=10_000;
/// `service.slow_start`.
pub(crate) const SLOW_START_RANGE: RangeInclusive<Duration> = seconds(1)..=seconds(DAY);

/// `service.persistence.by`.
pub(crate) const BY: PersistBy = PersistBy::ClientIp;
/// `service.persistence.prefix_v4`.
pub(crate) const PREFIX_V4: u8 = 32;
/// `service.persistence.prefix_v6`: what a provider gives one customer.
pub(crate) const PREFIX_V6: u8 = 64;
/// `service.persistence.idle_timeout`.
pub(crate) const IDLE_TIMEOUT: Duration = seconds(30 * 60);
/// `service.persistence.idle_timeout`.
pub(crate) const IDLE_TIMEOUT_RANGE: RangeInclusive<Duration> = seconds(1)..=seconds(30 * DAY);
/// `service.persistence.max_lifetime`; no bound by default.
pub(crate) const MAX_LIFETIME_RANGE: RangeInclusive<Duration> = seconds(1)..=seconds(365 * DAY);

/// `service.persistence.on_down`.
pub(crate) const ON_DOWN: OnDown = OnDown::Repin;
/// `service.persistence.hold`: about as long as a server takes to restart.
pub(crate) const HOLD: Duration = seconds(10);
/// `service.persistence.hold`.
pub(crate) const HOLD_RANGE: RangeInclusive<Duration> = seconds(1)..=seconds(DAY);
/// `service.persistence.on_drain`.
pub(crate) const ON_DRAIN: OnDrain = OnDrain::Keep;
/// `service.persistence.drain_deadline`; none by default.
pub(crate) const DRAIN_DEADLINE_RANGE: RangeInclusive<Duration> = seconds(1)..=seconds(365 * DAY);
/// `service.persistence.on_full`.
pub(crate) const ON_FULL: OnFull = OnFull::Hash;
/// `[[service.persistence.mask]]` of a service.
pub(crate) const MASKS: usize = crate::dataplane::MOST_MASKS as usize;

/// `service.persistence.path_segments`.
pub(crate) const PATH_SEGMENTS: u8 = 1;
/// `service.persistence.path_segments`.
pub(crate) const PATH_SEGMENTS_RANGE: RangeInclusive<u8> = 1..=8;

/// `service.persistence.cookie.mode`.
pub(crate) const COOKIE_MODE: CookieMode = CookieMode::Insert;
/// `service.persistence.cookie.name`, of Limpet's own.
pub(crate) const COOKIE_NAME: &str = "LIMPET";
/// `service.persistence.cookie.path`.
pub(crate) const COOKIE_PATH: &str = "/";
/// `service.persistence.cookie.secure`: proxies that do TLS may stand in front, and browsers of the intranet.
pub(crate) const SECURE: bool = false;
/// `service.persistence.cookie.http_only`: scripts have nothing to do with it.
pub(crate) const HTTP_ONLY: bool = true;
/// `service.persistence.cookie.same_site`.
pub(crate) const SAME_SITE: SameSite = SameSite::Lax;
/// `service.persistence.cookie.max_age`; browsers keep no cookie longer than 400 days.
pub(crate) const MAX_AGE_RANGE: RangeInclusive<Duration> = seconds(1)..=seconds(400 * DAY);
/// `service.persistence.cookie.partitioned`.
pub(crate) const PARTITIONED: bool = false;
/// `service.persistence.cookie.pass_on`.
pub(crate) const PASS_ON: bool = false;

/// `service.http.http2`.
pub(crate) const HTTP2: bool = true;
/// `service.http.backend_version`.
pub(crate) const BACKEND_VERSION: Version = Version::Http1;
/// `service.http.accept_proxy`.
pub(crate) const ACCEPT_PROXY: bool = false;
/// `service.http.forwarded`.
pub(crate) const FORWARDED: Forwarded = Forwarded::X;
/// `service.http.retries`.
pub(crate) const RETRIES: u8 = 1;
/// `service.http.retries`.
pub(crate) const RETRIES_RANGE: RangeInclusive<u8> = 0..=10;
/// `service.http.max_header`, in bytes.
pub(crate) const MAX_HEADER: u32 = 64 << 10;
/// `service.http.max_header`.
pub(crate) const MAX_HEADER_RANGE: RangeInclusive<u32> = 8 << 10..=1 << 20;
/// `service.http.max_body`; none by default.
pub(crate) const MAX_BODY_RANGE: RangeInclusive<u64> = 1..=1 << 50;
/// `service.http.*_timeout`.
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    header: seconds(10),
    idle: seconds(60),
    body: seconds(30),
    connect: seconds(2),
    response: seconds(60),
    upgrade: seconds(60 * 60),
    backend_idle: seconds(30),
    shutdown: seconds(30),
};
/// `service.http.header_timeout` and `connect_timeout`: what takes moments where nothing is wrong.
pub(crate) const SHORT_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=seconds(5 * 60);
/// The other timeouts of `service.http`.
pub(crate) const LONG_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=seconds(DAY);

/// `service.persistence.quic.nonce_length`: what the shortest server id leaves of the longest id.
pub(crate) const NONCE_LENGTH_RANGE: RangeInclusive<u8> = Scheme::SHORTEST_NONCE..=Scheme::LONGEST - 1;

/// `service.health.type` of a protocol: a UDP server need not listen on TCP.
pub(crate) const fn health_check(protocol: Protocol) -> CheckType {
    match protocol {
        Protocol::Tcp | Protocol::Http => CheckType::Tcp,
        Protocol::Udp => CheckType::None,
    }
}
/// `service.health.path`.
pub(crate) const HEALTH_PATH: &str = "/";
/// `service.health.interval`.
pub(crate) const HEALTH_INTERVAL: Duration = seconds(2);
/// `service.health.timeout`.
pub(crate) const HEALTH_TIMEOUT: Duration = seconds(1);
/// `service.health.interval` and `timeout`.
pub(crate) const HEALTH_TIME_RANGE: RangeInclusive<Duration> = Duration::from_millis(100)..=seconds(7 * DAY);
/// `service.health.rise`.
pub(crate) const RISE: u32 = 2;
/// `service.health.fall`.
pub(crate) const FALL: u32 = 3;
/// `service.health.rise` and `fall`.
pub(crate) const RISE_FALL_RANGE: RangeInclusive<u32> = 1..=100;

/// `service.backend.weight`.
pub(crate) const WEIGHT: u32 = 100;
/// `service.backend.weight`.
pub(crate) const MAX_WEIGHT: u32 = 65_535;
