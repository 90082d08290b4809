//! Rules for services that share sessions.

use std::{collections::HashMap, net::IpAddr};

use super::{PersistBy, Persistence, Service};
use crate::config::{raw, report::Report};

/// Reports services of one group that could not share sessions: a session has one timeout, and its backend one address
/// in each family. `raw` has the same services in the same order.
pub(super) fn agree(services: &[Service], raw: &[raw::Service], report: &Report<'_>) {
    let mut first: HashMap<&str, &Service> = HashMap::new();
    let mut servers: HashMap<(&str, &str, bool), (IpAddr, &str)> = HashMap::new();
    for (service, raw) in services.iter().zip(raw) {
        let Some(group) = service.persistence.group.as_deref() else { continue };
        let other = *first.entry(group).or_insert(service);
        if let Some(key) = difference(&service.persistence, &other.persistence, same_family(service, other)) {
            let place = raw.persistence.group.as_ref().map_or(&raw.place, |group| &group.place);
            report.error(
                place,
                format!("{key} differs from that of service {:?}, which is of the same group", other.name),
                format!("give all services of group {group:?} the same {key}: they share sessions"),
            );
        }
        for (backend, raw) in service.backends.iter().zip(raw.backends()) {
            let key = (group, backend.name.as_str(), backend.address.is_ipv4());
            let (address, name) = *servers.entry(key).or_insert((backend.address, &service.name));
            if address != backend.address {
                report.error(
                    raw.address.as_ref().map_or(&raw.place, |address| &address.place),
                    format!(
                        "backend {:?} is {address} in service {name:?}, which is of the same group",
                        backend.name
                    ),
                    format!("sessions of group {group:?} go by name: give one server one name"),
                );
            }
        }
    }
}

fn same_family(a: &Service, b: &Service) -> bool {
    a.address.is_ipv4() == b.address.is_ipv4()
}

/// The first setting that two services of a group must share and don't.
fn difference(a: &Persistence, b: &Persistence, same_family: bool) -> Option<&'static str> {
    let prefix = |it: &Persistence| match &it.by {
        PersistBy::ClientIp { prefix_v4, prefix_v6 } => (*prefix_v4, *prefix_v6),
        PersistBy::Request(request) => (request.prefix_v4, request.prefix_v6),
        PersistBy::Connection | PersistBy::QuicCid(_) => (0, 0),
    };
    let (prefix_a, prefix_b) = (prefix(a), prefix(b));
    [
        ("idle_timeout", a.idle_timeout == b.idle_timeout),
        ("max_lifetime", a.max_lifetime == b.max_lifetime),
        ("prefix_v4", prefix_a.0 == prefix_b.0),
        ("prefix_v6", prefix_a.1 == prefix_b.1),
        ("mask", !same_family || a.masks == b.masks),
    ]
    .into_iter()
    .find_map(|(key, same)| (!same).then_some(key))
}
