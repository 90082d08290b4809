//! The page's text.

use std::{collections::BTreeMap, fmt, ops::AddAssign};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet, text::encode},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::requests;
use crate::api::{Backend, BackendState, Status};

/// The page for a status; without one it says that limpet is not well, and nothing else.
pub(super) fn text(status: Option<Status>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(status)));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes all that is written to it");
    text
}

#[derive(Debug)]
struct Page(Option<Status>);

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        let well = u32::from(self.0.is_some());
        families.gauge(
            "limpet_up",
            None,
            "1 if the daemon could read its tables for this page.",
            [([], well)],
        )?;
        families.gauge(
            "limpet_build_info",
            None,
            "The running program.",
            [([("version", env!("CARGO_PKG_VERSION"))], 1u32)],
        )?;
        self.0.as_ref().map_or(Ok(()), |status| {
            daemon(status, &mut families)?;
            traffic(status, &mut families)?;
            backends(status, &mut families)?;
            promises(status, &mut families)?;
            requests::encode(status, &mut families)?;
            reasons(status, &mut families)?;
            tables(status, &mut families)
        })
    }
}

fn daemon(status: &Status, families: &mut Families<'_>) -> fmt::Result {
    families.gauge(
        "limpet_uptime",
        Some(&Unit::Seconds),
        "Time since the daemon started; its maps may be older.",
        [([], status.uptime_s)],
    )?;
    let interfaces = status.interfaces.iter();
    families.gauge(
        "limpet_interface_info",
        None,
        "An interface with the packet program, and the XDP hook in use.",
        interfaces
            .map(|interface| ([("interface", &*interface.name), ("mode", interface.mode.name())], 1u32)),
    )
}

fn traffic(status: &Status, families: &mut Families<'_>) -> fmt::Result {
    let both = |requests: fn(&Backend) -> u64, replies: fn(&Backend) -> u64| {
        [("request", requests), ("reply", replies)].into_iter().flat_map(|(direction, value)| {
            let sums = by_backend(status, value).into_iter();
            sums.map(move |([service, backend], sum)| ([service, backend, ("direction", direction)], sum))
        })
    };
    families.counter(
        "limpet_packets",
        None,
        "Packets forwarded, by direction; replies that bypass the balancer are not seen.",
        both(|backend| backend.packets, |backend| backend.reply_packets),
    )?;
    families.counter(
        "limpet",
        Some(&Unit::Bytes),
        "Bytes in the packets forwarded.",
        both(|backend| backend.bytes, |backend| backend.reply_bytes),
    )?;
    let connections = by_backend(status, |backend| backend.connections);
    families.counter("limpet_connections", None, "Connections begun.", connections)
}

fn backends(status: &Status, families: &mut Families<'_>) -> fmt::Result {
    let up = |backend: &Backend| u32::from(backend.state == BackendState::Up);
    families.gauge(
        "limpet_backend_up",
        None,
        "1 if the backend takes new clients.",
        by_backend(status, up),
    )?;
    let configured = |backend: &Backend| backend.state != BackendState::Absent;
    let weight = |backend: &Backend| if configured(backend) { backend.weight } else { 0 };
    families.gauge("limpet_backend_weight", None, "Configured weight.", by_backend(status, weight))?;
    families.gauge(
        "limpet_backend_share",
        Some(&Unit::Other("ratio".to_owned())),
        "Part of the service's slots: of the clients not seen before.",
        by_backend(status, |backend| backend.share),
    )?;
    let resolved = |backend: &Backend| u32::from(configured(backend) && backend.next_hop.is_some());
    families.gauge(
        "limpet_backend_reachable",
        None,
        "1 if the backend's next hop is resolved; its packets are dropped while it is not.",
        by_backend(status, resolved),
    )?;
    let sessions = by_backend(status, |backend| backend.sessions);
    families.gauge("limpet_sessions", None, "Live sessions.", sessions)?;
    families.gauge("limpet_flows", None, "Live flows.", by_backend(status, |backend| backend.flows))
}

fn promises(status: &Status, families: &mut Families<'_>) -> fmt::Result {
    let services = || status.services.iter().map(|service| (("service", &*service.name), &service.promises));
    families.counter(
        "limpet_promises_kept",
        None,
        "New connections of clients with a session that went to its backend.",
        services().map(|(service, promises)| ([service], promises.kept)),
    )?;
    families.counter(
        "limpet_promises_broken",
        None,
        "Sessions whose client went elsewhere or was refused, once each, by cause.",
        services().flat_map(|(service, promises)| {
            promises.broken.iter().map(move |(cause, &count)| ([service, ("cause", &**cause)], count))
        }),
    )
}

fn reasons(status: &Status, families: &mut Families<'_>) -> fmt::Result {
    for (name, help, label, counts) in [
        ("limpet_drops", "Packets dropped.", "reason", &status.drops),
        ("limpet_passes", "Packets left to the kernel, untouched.", "reason", &status.passes),
        ("limpet_forwards", "Packets sent on.", "reason", &status.forwards),
        ("limpet_events", "What else happened.", "event", &status.events),
    ] {
        families.counter(
            name,
            None,
            help,
            counts.iter().map(|(reason, &count)| ([(label, &**reason)], count)),
        )?;
    }
    Ok(())
}

fn tables(status: &Status, families: &mut Families<'_>) -> fmt::Result {
    let tables = || status.tables.iter().map(|table| ([("table", &*table.name)], table));
    let used = tables().filter_map(|(label, table)| Some((label, table.used?)));
    families.gauge("limpet_table_entries", None, "Entries in use.", used)?;
    let capacity = tables().map(|(label, table)| (label, table.capacity));
    families.gauge("limpet_table_capacity", None, "Entries there is room for.", capacity)?;
    let memory = tables().map(|(label, table)| (label, table.bytes));
    families.gauge("limpet_table_size", Some(&Unit::Bytes), "Memory of the table.", memory)
}

pub(super) type Label<'a> = (&'static str, &'a str);

/// A figure of each backend, summed over those that look alike: one that left the configuration and still has
/// flows may have a namesake, and a series that is there twice would spoil the whole page.
fn by_backend<N: Default + AddAssign>(
    status: &Status,
    value: impl Fn(&Backend) -> N,
) -> BTreeMap<[Label<'_>; 2], N> {
    let mut sums: BTreeMap<_, N> = BTreeMap::new();
    for service in &status.services {
        for backend in &service.backends {
            let labels = [("service", &*service.name), ("backend", &*backend.name)];
            *sums.entry(labels).or_default() += value(backend);
        }
    }
    sums
}

/// Writes whole families: what they are, then their samples.
///
/// A family's name in the text is `name`, then `_` and the unit if there is one, then `_total` for counters.
pub(super) struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    pub(super) fn gauge<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'l>; N], V)>,
    ) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        each(encoder, samples, |sample, value| sample.encode_gauge(&value))
    }

    pub(super) fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        unit: Option<&Unit>,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'l>; N], u64)>,
    ) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        each(encoder, samples, |sample, value| sample.encode_counter::<NoLabelSet, _, u64>(&value, None))
    }
}

impl Families<'_> {
    /// Times in seconds: for each sample its sum, its count, and the buckets by upper bound.
    pub(super) fn histogram<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = ([Label<'l>; N], (f64, u64, Vec<(f64, u64)>))>,
    ) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        each(encoder, samples, |sample, (sum, count, buckets)| {
            sample.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        })
    }
}

fn each<'l, const N: usize, V>(
    mut family: MetricEncoder<'_>,
    samples: impl IntoIterator<Item = ([Label<'l>; N], V)>,
    write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
) -> fmt::Result {
    samples.into_iter().try_for_each(|(labels, value)| match labels.is_empty() {
        // An empty set of labels would be written as `{}`.
        true => write(&mut family, value),
        false => write(&mut family.encode_family(&labels)?, value),
    })
}
