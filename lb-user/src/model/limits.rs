//! Rules for `[limits]`: what the file defines must fit into it.

use std::sync::Arc;

use super::{Limits, quic};
use crate::{
    access::AccessList,
    config::{
        raw,
        report::{At, Place, Report},
    },
};

pub(super) fn limits(raw: &raw::File, report: &Report<'_>) -> Option<Limits> {
    check_limits(raw, report);
    let raw::Limits {
        flows,
        affinity,
        pins,
        services,
        access,
        backends,
        slots,
        nat_connections,
        fragments,
        new_flows_per_second,
        new_pins_per_second,
    } = &raw.limits;
    Some(Limits {
        flows: flows.as_ref()?.value,
        affinity: affinity.as_ref()?.value,
        pins: pins.as_ref()?.value,
        services: services.as_ref()?.value,
        access: access.as_ref()?.value,
        backends: backends.as_ref()?.value,
        slots: slots.as_ref()?.value,
        nat_connections: nat_connections.as_ref()?.value,
        fragments: fragments.as_ref()?.value,
        new_flows_per_second: new_flows_per_second.as_ref()?.value,
        new_pins_per_second: new_pins_per_second.as_ref()?.value,
    })
}

fn check_limits(raw: &raw::File, report: &Report<'_>) {
    let services = raw.services.iter();
    let backends = services.clone().flat_map(raw::Service::backends);
    // A service's slots count twice: a change fills the spare range while the live one is in use.
    let slots = services.clone().filter_map(|service| {
        let slots = service.slots.as_ref()?;
        Some((2 * u64::from(slots.value), &service.place))
    });
    let ports = services.map(|service| {
        let spans = service.ports.iter().flat_map(|ports| &ports.value);
        (spans.map(|span| span.value.len() as u64).sum::<u64>().max(1), &service.place)
    });
    within("ports of services", raw.limits.services.as_ref(), ports, report);
    within("backends", raw.limits.backends.as_ref(), backends.map(|it| (1, &it.place)), report);
    quic::limit(&raw.services, report);
    within("slots (twice those of each service)", raw.limits.slots.as_ref(), slots, report);
}

/// Reports access lists that are too long together; each comes with the number of its first service.
pub(super) fn access(lists: &[(usize, Arc<AccessList>)], raw: &raw::File, report: &Report<'_>) {
    let sizes = lists.iter().map(|(at, list)| (list.size() as u64, &raw.services[*at].access.place));
    within("prefixes in access lists", raw.limits.access.as_ref(), sizes, report);
}

/// Reports the item with which the sum passes its limit.
fn within<'a>(
    what: &str,
    limit: Option<&At<u32>>,
    items: impl Iterator<Item = (u64, &'a Place)>,
    report: &Report<'_>,
) {
    let Some(limit) = limit else { return };
    let mut sum = 0;
    let mut first_above = None;
    for (size, place) in items {
        sum += size;
        if sum > u64::from(limit.value) {
            first_above.get_or_insert(place);
        }
    }
    if let Some(place) = first_above {
        let key = limit.place.key.rsplit(" . ").next().unwrap_or_default();
        report.error(
            place,
            format!("the file has {sum} {what}, and limits.{key} is {}{}", limit.value, limit.remark()),
            format!("set {key} = {sum} or more in [limits]"),
        );
    }
}
