//! From the model's words to the maps' entries.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::Hasher as _,
    net::IpAddr,
};

use ipnet::IpNet;
use lb_common::{
    net::{Be16, Ip, protocol},
    settings::KEY_WORDS,
    state::{Backend, Forwarding, Policy, Service, ServiceKey, Tunnel},
    time::Tick,
};
use siphasher::{sip::SipHasher24, sip128::Hasher128 as _};

use super::Sources;
use crate::model::{self, Model, OnDown, OnDrain, OnFull, Ports, Scheduler};

/// A backend's recipe, without generation and next hop. The port of a backend that listens where its service's only
/// port is counts as the one that was called: connections outlive the second port that the service is given.
pub(super) fn recipe(service: &model::Service, backend: &model::Backend, sources: &Sources) -> Backend {
    let forwarding = match service.forwarding {
        // No packet goes by the recipe of a service that the host serves.
        model::Forwarding::Nat { preserve_client: false } | model::Forwarding::Proxy => Forwarding::Nat,
        model::Forwarding::Nat { preserve_client: true } => Forwarding::NatPreserve,
        model::Forwarding::Dsr => Forwarding::Dsr,
        model::Forwarding::Ipip => Forwarding::Ipip,
        model::Forwarding::Gue => Forwarding::Gue,
    };
    let (first, count) = match (forwarding, service.address.is_ipv4()) {
        _ if service.forwarding == model::Forwarding::Proxy => (0, 0),
        (Forwarding::Nat, true) => (0, sources.v4.len()),
        (Forwarding::Nat, false) => (Sources::HALF, sources.v6.len()),
        _ => (0, 0),
    };
    let by_connection_id = match service.persistence.by {
        model::PersistBy::QuicCid(_) => Backend::BY_CONNECTION_ID,
        model::PersistBy::Connection | model::PersistBy::ClientIp { .. } | model::PersistBy::Request(_) => 0,
    };
    Backend {
        address: Ip::from(backend.address),
        service_address: Ip::from(service.address),
        port: port(service, backend),
        service_tag: tag(&service.name),
        forwarding: forwarding as u8 | by_connection_id,
        source_first: first as u8,
        source_count: count as u8,
        protocol: number(service.protocol),
        ..Backend::default()
    }
}

/// The port of a backend's recipe.
pub(super) fn port(service: &model::Service, backend: &model::Backend) -> Be16 {
    Be16::new(backend.port.filter(|&port| service.ports != Ports::One(port)).unwrap_or_default())
}

/// True if flows and sessions of one may go on with the other: everything that a packet is rewritten
/// by is the same, except for the next hop and the choice of sources.
pub(super) fn same_identity(a: &Backend, b: &Backend) -> bool {
    let identity =
        |x: &Backend| (x.address, x.port, x.service_address, x.service_tag, x.protocol, x.forwarding());
    identity(a) == identity(b)
}

/// The outer headers of tunnels from `source`: a prefix has its host bits filled by each flow.
pub fn tunnel(tunnel: &model::Tunnel, source: IpNet) -> Tunnel {
    let host_bits = u32::from(source.max_prefix_len() - source.prefix_len()).min(u64::BITS);
    Tunnel {
        source: Ip::from(source.addr()),
        spread: u64::MAX.checked_shr(u64::BITS - host_bits).unwrap_or_default().to_be(),
        mtu: tunnel.mtu.into(),
        gue_port: Be16::new(tunnel.gue_port),
        reserved: 0,
    }
}

/// The key of a service's entry for `port`; 0: for all ports.
pub fn service_key(service: &model::Service, port: u16) -> ServiceKey {
    ServiceKey::new(Ip::from(service.address), Be16::new(port), number(service.protocol))
}

/// The keys of a service's entries, the first port's first.
pub(super) fn service_keys(service: &model::Service) -> impl Iterator<Item = ServiceKey> + '_ {
    service.ports.numbers().iter().map(|&port| service_key(service, port))
}

/// What a service's entries have in common: all but the port, the slots' place, and the numbers of the service and
/// its lists.
pub(super) fn service_entry(service: &model::Service) -> Service {
    let ticks =
        |time: std::time::Duration| Tick::covering(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    let persistence = &service.persistence;
    let by_client = policy(service).with(Policy::BY_CLIENT);
    let (policy, prefixes) = match &persistence.by {
        model::PersistBy::Connection | model::PersistBy::QuicCid(_) => (Policy::default(), [0, 0]),
        model::PersistBy::ClientIp { prefix_v4, prefix_v6 } => (by_client, [*prefix_v4, *prefix_v6]),
        model::PersistBy::Request(it) => {
            // In a group, its address leads a client without a cookie to where its other connections go.
            let knows_addresses = it.knows_addresses() || persistence.group.is_some();
            let policy = if knows_addresses { by_client } else { policy(service) };
            (policy.with(Policy::LOCAL), [it.prefix_v4, it.prefix_v6])
        }
    };
    let prefix = if service.address.is_ipv4() { prefixes[0] } else { prefixes[1] };
    Service {
        scope: persistence
            .group
            .as_ref()
            .map_or_else(|| scope(&service.name), |group| scope(&format!("@{group}"))),
        name: scope(&service.name),
        client_mask: Ip::prefix_mask(service.address, prefix),
        slots_mask: service.slots - 1,
        idle_ticks: ticks(persistence.idle_timeout),
        lifetime_ticks: persistence.max_lifetime.map_or(0, ticks),
        policy,
        hold_ticks: match persistence.on_down {
            OnDown::Hold(time) => ticks(time),
            OnDown::Repin | OnDown::Lend | OnDown::Refuse => 0,
        },
        tag: tag(&service.name),
        ..Service::default()
    }
}

/// What a service with sessions promises, whoever they are of.
fn policy(service: &model::Service) -> Policy {
    let persistence = &service.persistence;
    let on_down = match persistence.on_down {
        OnDown::Repin => Policy::default(),
        OnDown::Lend => Policy::LENDS,
        OnDown::Refuse => Policy::REFUSES,
        OnDown::Hold(_) => Policy::HOLDS,
    };
    [
        (persistence.group.is_some(), Policy::GROUPED),
        (persistence.on_drain == OnDrain::Move, Policy::MOVES_ON_DRAIN),
        (persistence.on_full == OnFull::Refuse, Policy::REFUSES_WHEN_FULL),
        (service.scheduler == Scheduler::LeastSessions, Policy::LEAST_SESSIONS),
        (service.max_load.is_some(), Policy::BOUNDED),
    ]
    .into_iter()
    .filter_map(|(promised, policy)| promised.then_some(policy))
    .fold(on_down, Policy::with)
}

/// Keys of the entries beside the services' own: a mark for each address, and one for each protocol of which
/// an address has a single service that tells clients by their addresses.
pub(super) fn keys_beside(model: &Model) -> BTreeMap<ServiceKey, Option<&model::Service>> {
    let mut keys = BTreeMap::new();
    for service in &model.services {
        let address = Ip::from(service.address);
        keys.insert(ServiceKey::any_port(address), None);
        let only = ServiceKey::only(address, number(service.protocol));
        keys.entry(only).and_modify(|service| *service = None).or_insert(Some(service));
    }
    let by_client =
        |service: &model::Service| matches!(service.persistence.by, model::PersistBy::ClientIp { .. });
    keys.retain(|key, service| key.protocol() == 0 || service.is_some_and(by_client));
    keys
}

/// The entries themselves; `entry` is what a service's own key has.
pub(super) fn beside(
    model: &Model,
    answered: &BTreeSet<IpAddr>,
    entry: impl Fn(&ServiceKey) -> Service,
) -> Vec<(ServiceKey, Service)> {
    let services = model.services.iter();
    let local: BTreeSet<_> = services
        .filter(|service| service.forwarding == model::Forwarding::Proxy)
        .map(|service| Ip::from(service.address))
        .collect();
    let entry = |(key, service): (ServiceKey, Option<&model::Service>)| match service {
        Some(service) => (key, service_keys(service).next().map_or_else(Service::default, |key| entry(&key))),
        None => {
            let is_answered = answered.contains(&key.address.into());
            let echo = if is_answered { Policy::default() } else { Policy::ECHO };
            let local = if local.contains(&key.address) { Policy::LOCAL } else { Policy::default() };
            (key, Service { policy: echo.with(local), ..Service::default() })
        }
    };
    keys_beside(model).into_iter().map(entry).collect()
}

/// The scope of a service without a group: a digest of its name, the same after a restart and on every node.
pub fn scope(name: &str) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// What a service's entries and backends have in common.
pub fn tag(name: &str) -> u16 {
    scope(name) as u16
}

/// The hash key that a configured secret stands for.
pub fn settings_key(secret: &str) -> [u32; KEY_WORDS] {
    let mut hasher = siphasher::sip128::SipHasher24::new();
    hasher.write(secret.as_bytes());
    let digest = hasher.finish128();
    std::array::from_fn(|at| {
        let mut hasher = SipHasher24::new_with_keys(digest.h1, digest.h2);
        hasher.write_u64(at as u64);
        hasher.finish() as u32
    })
}

/// The key of digests that a secret stands for.
pub fn digest_key(secret: &str) -> [u64; 2] {
    let mut hasher = siphasher::sip128::SipHasher24::new();
    hasher.write(b"digests");
    hasher.write(secret.as_bytes());
    let digest = hasher.finish128();
    [digest.h1, digest.h2]
}

/// The key of slot tables that belongs to a hash key.
pub fn seed(key: &[u32; KEY_WORDS]) -> [u8; 16] {
    let mut hasher = siphasher::sip128::SipHasher24::new();
    for word in key {
        hasher.write_u32(*word);
    }
    hasher.finish128().as_bytes()
}

fn number(protocol: model::Protocol) -> u8 {
    match protocol {
        model::Protocol::Tcp | model::Protocol::Http => protocol::TCP,
        model::Protocol::Udp => protocol::UDP,
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn host_bits_of_a_source_are_the_flows() {
        let tunnel = |source: &str| {
            let settings = model::Tunnel { source: Vec::new(), gue_port: 6080, mtu: 1400 };
            tunnel(&settings, source.parse().unwrap())
        };
        let sent = |source: &str| IpAddr::from(tunnel(source).source(0xab_cdef)).to_string();
        assert_eq!(sent("10.0.0.2/32"), "10.0.0.2");
        assert_eq!(sent("10.9.8.0/24"), "10.9.8.239");
        assert_eq!(sent("10.0.0.0/8"), "10.171.205.239");
        assert_eq!(sent("2001:db8::1/128"), "2001:db8::1");
        assert_eq!(sent("2001:db8::/64"), "2001:db8::ab:cdef");
        assert_eq!(sent("2001:db8::/32"), "2001:db8::ab:cdef");
        assert_eq!((tunnel("10.0.0.2/32").mtu, tunnel("10.0.0.2/32").gue_port.get()), (1400, 6080));
    }
}
