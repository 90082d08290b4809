//! Rules for one `[[service]]` and its backends.

use std::net::IpAddr;

use super::{
    Backend, Check, Forwarding, Ports, Protocol, Scheduler, Service, access, http, policy, ports, quic, rules,
};
use crate::config::{
    defaults, raw,
    report::{At, Report},
};

pub(super) fn service(raw: &raw::Service, report: &Report<'_>) -> Option<Service> {
    if let Some(name) = &raw.name {
        rules::name(name, report);
    }
    if let Some(address) = &raw.address {
        rules::host_address(address, "the address of a service", report);
    }
    if let Some(mode) = direct_mode(raw) {
        rules::no_effect(raw.preserve_client.as_ref(), &format!("forwarding = {mode:?}"), report);
    }
    let ports = ports::ports(raw, report);
    slots(raw, report);
    backend_set(raw, report);
    quic::service(raw, report);
    // Each part reports its own errors, so none may keep another from being looked at.
    let backends: Vec<_> =
        raw.backends().iter().map(|raw_backend| backend(raw_backend, raw, ports.as_ref(), report)).collect();
    let persistence = policy::persistence(raw, report);
    let http = http::http(raw, report);
    selection(raw, report);
    let access = access::access(&raw.access, raw.address.as_ref(), report);
    let health = policy::health(&raw.health, report);
    probed_port(raw, ports.as_ref(), health.as_ref().map(|health| &health.check), report);
    Some(Service {
        name: raw.name.as_ref()?.value.clone(),
        address: raw.address.as_ref()?.value,
        ports: ports?,
        protocol: raw.protocol.as_ref()?.value,
        forwarding: forwarding(raw)?,
        http: http?,
        persistence: persistence?,
        access: access?,
        health: health?,
        slots: raw.slots.as_ref()?.value,
        scheduler: raw.scheduler.as_ref()?.value,
        max_load: raw.max_load.as_ref().map(|load| load.value),
        slow_start: raw.slow_start.as_ref().map(|time| time.value),
        backends: backends.into_iter().collect::<Option<_>>()?,
    })
}

/// How packets reach a backend, from the settings that say it.
pub(super) fn forwarding(raw: &raw::Service) -> Option<Forwarding> {
    if raw.protocol.as_ref()?.value == Protocol::Http {
        return Some(Forwarding::Proxy);
    }
    Some(match raw.forwarding.as_ref()?.value {
        raw::Forwarding::Dsr => Forwarding::Dsr,
        raw::Forwarding::Ipip => Forwarding::Ipip,
        raw::Forwarding::Gue => Forwarding::Gue,
        raw::Forwarding::Nat => Forwarding::Nat { preserve_client: raw.preserve_client.as_ref()?.value },
    })
}

/// The word for a mode that rewrites neither addresses nor ports.
fn direct_mode(raw: &raw::Service) -> Option<&'static str> {
    match forwarding(raw)? {
        Forwarding::Nat { .. } | Forwarding::Proxy => None,
        Forwarding::Dsr => Some("dsr"),
        Forwarding::Ipip => Some("ipip"),
        Forwarding::Gue => Some("gue"),
    }
}

/// Reports a choice by load where nothing is stored that would tell a client's next connection of it.
fn selection(raw: &raw::Service, report: &Report<'_>) {
    let because = match raw.persistence.only() {
        // Requests under way are counted, whoever's they are.
        _ if forwarding(raw) == Some(Forwarding::Proxy) => return,
        Some(raw::PersistBy::Connection) => r#"by = "connection""#,
        Some(raw::PersistBy::QuicCid) => r#"by = "quic-cid""#,
        _ => return,
    };
    rules::no_effect(raw.scheduler.as_ref().filter(|it| it.value != Scheduler::Hash), because, report);
    rules::no_effect(raw.max_load.as_ref(), because, report);
}

fn slots(raw: &raw::Service, report: &Report<'_>) {
    let Some(slots) = &raw.slots else { return };
    if !slots.value.is_power_of_two() {
        let above = slots.value.next_power_of_two();
        report.error(
            &slots.place,
            format!("slots = {} is not a power of two", slots.value),
            format!("use {} or {above}", above / 2),
        );
    }
    let most = *defaults::SLOTS_RANGE.end() / defaults::MIN_SLOTS_PER_BACKEND;
    let backends = u32::try_from(raw.backends().len()).unwrap_or(u32::MAX);
    let wanted = backends.saturating_mul(defaults::MIN_SLOTS_PER_BACKEND);
    if backends > most {
        let message = format!("{backends} backends are too many for one service");
        report.error(&raw.place, message, format!("keep to {most}; spread the others over more services"));
    } else if wanted > slots.value {
        report.error(
            &slots.place,
            format!("{} slots{} are too few for {backends} backends", slots.value, slots.remark()),
            format!(
                "set slots = {}: shares follow the weights only with {} slots a backend",
                wanted.next_power_of_two(),
                defaults::MIN_SLOTS_PER_BACKEND,
            ),
        );
    }
}

/// Rules for the backends of a service together.
fn backend_set(raw: &raw::Service, report: &Report<'_>) {
    if let Some(backends) = &raw.backends
        && backends.value.is_empty()
    {
        let help = "add a [[service.backend]] with a name and an address, or remove the service";
        report.error(&backends.place, "the service has no backends", help);
    }
    rules::unique(
        raw.backends()
            .iter()
            .filter_map(|backend| backend.name.as_ref())
            .map(|name| (&name.value, &name.place)),
        |name| format!("the service already has a backend named {name:?}"),
        "give each backend of a service its own name",
        report,
    );
    let endpoints = raw.backends().iter().filter_map(|backend| {
        let address = backend.address.as_ref()?;
        Some(((address.value, backend.port.as_ref().map(|port| port.value)), &address.place))
    });
    rules::unique(
        endpoints,
        |(address, port)| {
            let port = port.map_or_else(String::new, |port| format!(" and port {port}"));
            format!("the service already has a backend with address {address}{port}")
        },
        "list each server once; its weight sets its share",
        report,
    );
}

/// Reports a check that would not know where to knock.
fn probed_port(raw: &raw::Service, ports: Option<&Ports>, check: Option<&Check>, report: &Report<'_>) {
    let Some(kind) = raw.health.check.as_ref().filter(|_| check.is_some_and(|check| *check != Check::None))
    else {
        return;
    };
    if ports == Some(&Ports::Any)
        && raw.health.port.is_none()
        && raw.backends().iter().any(|backend| backend.port.is_none())
    {
        report.error(
            &kind.place,
            format!("a service of any port gives the health check{} no port to knock at", kind.remark()),
            "add port = ... or type = \"none\" to [service.health]",
        );
    }
}

/// Reports a backend's port that can't be kept to.
fn backend_port(port: &At<u16>, service: &raw::Service, ports: &Ports, report: &Report<'_>) {
    let forwarding = forwarding(service);
    match (ports, direct_mode(service)) {
        (Ports::One(own), Some(mode)) if port.value != *own => report.error(
            &port.place,
            format!("port {} differs from the service's port {own}, and {mode:?} rewrites no port", port.value),
            format!("remove port, and let the backend listen on {own}"),
        ),
        (Ports::List(_) | Ports::Any, Some(mode)) => report.error(
            &port.place,
            format!("{mode:?} rewrites no port"),
            "remove port, and let the backend listen on the service's ports",
        ),
        (Ports::List(_) | Ports::Any, _) if forwarding == Some(Forwarding::Nat { preserve_client: true }) => report.error(
            &port.place,
            "with preserve_client the backend could not tell two connections apart that a client opens from one port to \
             two ports of the service",
            "remove port, and let the backend listen on the service's ports; or remove preserve_client",
        ),
        _ => {}
    }
}

/// Reports a backend's address that the way to backends does not lead to.
fn reachable(address: &At<IpAddr>, service_address: IpAddr, service: &raw::Service, report: &Report<'_>) {
    let family = rules::family(service_address);
    let same_family = rules::same_family(address.value, service_address);
    match forwarding(service) {
        _ if address.value == service_address => report.error(
            &address.place,
            format!("{} is the address of the service itself", address.value),
            "give the backend's own address",
        ),
        Some(Forwarding::Ipip | Forwarding::Gue) if service_address.is_ipv6() && !same_family => report
            .error(
                &address.place,
                format!("there is no tunnel from an IPv6 service to {}", address.value),
                "give an IPv6 address: an IPv4 service can have IPv6 backends, but not the reverse",
            ),
        Some(Forwarding::Nat { .. } | Forwarding::Dsr) if !same_family => report.error(
            &address.place,
            format!("backend {} is of another family than its {family} service", address.value),
            format!("give an {family} address, or put the backend into a service of its family"),
        ),
        _ => {}
    }
}

fn backend(
    raw: &raw::Backend,
    service: &raw::Service,
    ports: Option<&Ports>,
    report: &Report<'_>,
) -> Option<Backend> {
    let forwarding = forwarding(service);
    if let Some(name) = &raw.name {
        rules::name(name, report);
    }
    if let Some(address) = &raw.address {
        rules::host_address(address, "the address of a backend", report);
        if let Some(virtual_address) = &service.address {
            reachable(address, virtual_address.value, service, report);
        }
    }
    if let Some(weight) = &raw.weight
        && weight.value == 0
    {
        let help = format!("remove the backend instead, or give a weight in 1..={}", defaults::MAX_WEIGHT);
        report.error(&weight.place, "weight 0 would leave the backend without clients", help);
    }
    if let (Some(port), Some(ports)) = (&raw.port, ports) {
        backend_port(port, service, ports, report);
    }
    if !raw.has_port
        && raw.port.is_none()
        && forwarding == Some(Forwarding::Proxy)
        && service.http.speaks_tls()
    {
        report.error(
            &raw.place,
            "the service speaks TLS, and does not say at which port the backend listens without it",
            "give the backend a port",
        );
    }
    Some(Backend {
        name: raw.name.as_ref()?.value.clone(),
        address: raw.address.as_ref()?.value,
        port: raw.port.as_ref().map(|port| port.value),
        weight: raw.weight.as_ref()?.value,
        server_id: raw.server_id.as_ref().map(|id| id.value.clone()).unwrap_or_default(),
    })
}
