//! `status`, put together from the model, the maps and the checks.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use anyhow::Result;
use lb_common::{
    reason::Kind,
    state::{BackendId, Cause, Health, Traffic},
    tables::Store,
};

use super::{core::Core, handle::Answer, http, sweep::ByHome};
use crate::{
    access::{AccessList, Admission, Prefix},
    api::{self, BackendState, Status, reasons},
    clock,
    dataplane::{FlowCounts, Mode, Sessions},
    health::{BackendKey, Report},
    http::figures::Figures,
    model,
    plan::{self, BackendState as Installed},
};

/// Bytes of memory for a prefix in use: a node of the trie and, at most, one where ways part, of 64 bytes each
/// (kernel/bpf/lpm_trie.c).
const ACCESS_ENTRY: u64 = 128;

/// What is counted by scanning the tables.
struct Counts {
    flows: FlowCounts,
    sessions: Census,
}

#[derive(Default)]
struct Census {
    by_home: ByHome,
    /// In `PINS` and `AFFINITY`.
    stored: [u64; 2],
}

impl Census {
    fn count(sessions: &mut Sessions) -> Result<Self> {
        let mut census = Self::default();
        sessions.for_each(|session| {
            *census.by_home.entry((session.pin.backend, session.pin.generation)).or_default() += 1;
            census.stored[usize::from(session.store == Store::Affinity)] += 1;
        })?;
        Ok(census)
    }
}

/// An access list in figures.
fn access(list: &AccessList, service: IpAddr) -> api::Access {
    let count = |admission| list.count(admission) as u64;
    let whole = Prefix::whole(service.is_ipv6());
    let others = list.rules().iter().find(|rule| rule.prefix == whole);
    api::Access {
        allow: count(Admission::Allow),
        deny: count(Admission::Deny),
        others: others.is_some_and(|rule| rule.admission == Admission::Allow),
    }
}

impl Core {
    /// Everything `status` shows, drains as they are now.
    pub(super) fn status(&mut self, answer: Answer<Result<Status>>) {
        self.look_at_drains();
        self.aside(Census::count, |core, sessions| {
            answer.give(sessions.and_then(|sessions| core.status_with(sessions)));
        });
    }

    fn status_with(&self, sessions: Census) -> Result<Status> {
        let kernel = &self.program.kernel;
        let counts = Counts { flows: kernel.flows(clock::now()), sessions };
        let figures = kernel.figures()?;
        let of = |kind| {
            let packets = |reason| figures.reasons.iter().find(|(r, _)| *r == reason).map_or(0, |(_, n)| *n);
            reasons(kind, |reason| packets(reason) + self.http.counters().get(reason))
        };
        let checks = self.monitor.snapshot();
        let services = self.model.services.iter();
        Ok(Status {
            version: Status::VERSION,
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs(),
            config: self.config.clone(),
            interfaces: self
                .attachments
                .iter()
                .map(|attachment| api::Interface {
                    name: attachment.name.clone(),
                    ifindex: attachment.ifindex,
                    mode: match attachment.mode {
                        Mode::Driver => api::Mode::Driver,
                        Mode::Generic => api::Mode::Generic,
                    },
                })
                .collect(),
            services: services
                .map(|service| self.service(service, &counts, &checks))
                .collect::<Result<_>>()?,
            drops: of(Kind::Drop),
            passes: of(Kind::Pass),
            forwards: of(Kind::Forward),
            events: of(Kind::Event),
            tables: self.tables(&counts),
            snapshot: self.snapshot_status(),
        })
    }

    fn service(
        &self,
        service: &model::Service,
        counts: &Counts,
        checks: &BTreeMap<BackendKey, Report>,
    ) -> Result<api::Service> {
        let slots = self.slot_shares(service);
        let mut backends = Vec::new();
        for backend in &service.backends {
            let key = BackendKey::new(&service.name, &backend.name);
            let Some(installed) = self.state.backends.get(&key) else { continue };
            let home = self.state.backends.get(&plan::home_key(service, &backend.name)).unwrap_or(installed);
            backends.push(self.backend(
                (key.clone(), backend),
                [installed, home],
                counts,
                &slots,
                checks.get(&key),
            )?);
        }
        let sum = |field: fn(&api::Backend) -> u64| backends.iter().map(field).sum();
        Ok(api::Service {
            name: service.name.clone(),
            address: service.address,
            port: service.ports.first().unwrap_or_default(),
            ports: service.ports.first().map_or(&[][..], |_| service.ports.numbers()).to_vec(),
            protocol: service.protocol,
            forwarding: service.forwarding.into(),
            persistence: (&service.persistence.by).into(),
            group: service.persistence.group.clone(),
            access: service.access.as_ref().map(|list| access(list, service.address)),
            promises: self.promises(service)?,
            http: self.http.figures(&service.name).map(|figures| {
                let certificates = service.http.iter().flat_map(|http| &http.certificates);
                http::requests(figures, certificates.count() > 0)
            }),
            sessions: sum(|backend| backend.sessions),
            flows: sum(|backend| backend.flows),
            packets: sum(|backend| backend.packets),
            bytes: sum(|backend| backend.bytes),
            reply_packets: sum(|backend| backend.reply_packets),
            reply_bytes: sum(|backend| backend.reply_bytes),
            connections: sum(|backend| backend.connections),
            backends,
            removed: self.changes.removed(&service.name),
        })
    }

    /// What became of a service's promises.
    fn promises(&self, service: &model::Service) -> Result<api::Promises> {
        let number = self.state.entry(service).map_or(0, |entry| entry.number);
        let audit = self.program.kernel.audit(number)?;
        let (kept, broken) = self.http.figures(&service.name).map(Figures::promises).unwrap_or_default();
        let broken = Cause::ALL.iter().zip(audit.broken).zip(broken);
        Ok(api::Promises {
            kept: audit.kept + kept,
            broken: broken
                .map(|((cause, packets), requests)| (cause.name().to_owned(), packets + requests))
                .collect(),
        })
    }

    fn backend(
        &self,
        (key, backend): (BackendKey, &model::Backend),
        [installed, home]: [&Installed; 2],
        counts: &Counts,
        slots: &HashMap<BackendId, f64>,
        check: Option<&Report>,
    ) -> Result<api::Backend> {
        let id = installed.id;
        let Traffic { packets, bytes, reply_packets, reply_bytes, connections } =
            self.program.kernel.traffic(id)?;
        let load = self.http.load(&key.service, &key.backend).unwrap_or_default();
        let change = self.runtime_change(&key);
        let why = self.unreachable.get(&backend.address).cloned();
        Ok(api::Backend {
            name: backend.name.clone(),
            address: backend.address,
            port: backend.port.unwrap_or_default(),
            state: match installed.health {
                Health::Up => BackendState::Up,
                Health::Draining => BackendState::Draining,
                Health::Down => BackendState::Down,
                Health::Disabled => BackendState::Disabled,
                Health::Absent => BackendState::Absent,
            },
            reason: why.or_else(|| check.map(|report| report.reason.clone())),
            weight: backend.weight,
            runtime: change,
            drain: self.drains.report(&key),
            share: slots.get(&id).copied().unwrap_or_default(),
            sessions: counts
                .sessions
                .by_home
                .get(&(home.id, home.recipe.generation))
                .copied()
                .unwrap_or_default(),
            flows: counts.flows.by_backend.get(&id).copied().unwrap_or_default() + load.open,
            packets,
            bytes: bytes + load.bytes,
            reply_packets,
            reply_bytes: reply_bytes + load.reply_bytes,
            connections: connections + load.requests,
            next_hop: self.next_hop(backend.address),
        })
    }

    /// Each backend's share of the service's slots.
    fn slot_shares(&self, service: &model::Service) -> HashMap<BackendId, f64> {
        let mut shares = HashMap::new();
        let slots = self.state.slots(service).unwrap_or_default();
        for &id in slots {
            *shares.entry(BackendId(id)).or_default() += 1.0 / slots.len() as f64;
        }
        shares
    }

    fn next_hop(&self, address: IpAddr) -> Option<api::NextHop> {
        let hop = self.inputs.next_hops.get(&address).copied().flatten()?;
        let named = self.attachments.iter().find(|attachment| attachment.ifindex == hop.ifindex);
        let interface = named.map_or_else(|| hop.ifindex.to_string(), |attachment| attachment.name.clone());
        let mac = format!("{:?}", lb_common::net::Mac::from_bytes(hop.target_mac));
        Some(api::NextHop { interface, ifindex: hop.ifindex, mac })
    }

    fn tables(&self, counts: &Counts) -> Vec<api::Table> {
        let used = |name: &str| match name {
            "FLOWS" => Some(counts.flows.used),
            "BINDINGS" => Some(self.program.kernel.ports_used(clock::now())),
            "PINS" => Some(counts.sessions.stored[0]),
            "AFFINITY" => Some(counts.sessions.stored[1]),
            "ACCESS" => Some(self.state.lists.values().map(|list| list.rules().len() as u64).sum()),
            "SERVICES" => Some(self.state.services.len() as u64),
            "BACKENDS" => Some(self.state.backends.len() as u64),
            _ => None,
        };
        let table = |(name, entries, bytes): (&'static str, u64, u64)| {
            let capacity = if name == "FLOWS" { self.program.kernel.flow_capacity() } else { entries };
            let used = used(name);
            // Its memory comes with its entries.
            let bytes = if name == "ACCESS" { used.unwrap_or_default() * ACCESS_ENTRY } else { bytes };
            api::Table { name: name.to_owned(), used, capacity, bytes }
        };
        self.program.kernel.tables().into_iter().map(table).collect()
    }
}
