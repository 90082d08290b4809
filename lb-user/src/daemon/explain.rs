//! `explain`: the packet program's own answer, in words.

use lb_common::{
    explain::{Located, Stored, locate},
    net::{Be16, Ip, V4, V6},
    state::{BackendId, Health},
    tables::Store,
    time::Tick,
};

use super::core::Core;
use crate::{
    api::{ExplainQuery, Explanation, Refusal, Session, Why},
    clock,
    dataplane::View,
    model::{self, PersistBy, Ports},
    plan,
};

impl Core {
    /// Which backend a client gets, and why.
    pub(super) fn explain(&self, query: &ExplainQuery) -> Result<Explanation, Refusal> {
        let service = self.named(&query.service)?;
        if query.client.is_ipv4() != service.address.is_ipv4() {
            let family = if service.address.is_ipv4() { "IPv4" } else { "IPv6" };
            return Err(Refusal::invalid(format!(
                "service {} is at {}: its clients have {family} addresses, {} is not one",
                service.name, service.address, query.client
            )));
        }
        let now = clock::now();
        let view =
            View { kernel: &self.program.kernel, settings: &self.program.settings, now, instead: None };
        let called = called(service, query)?;
        let (key, port) = (plan::service_key(service, called), query.port.map(Be16::new));
        let owner = self.owner(service, called);
        if owner != service.name {
            return Err(Refusal::invalid(format!(
                "port {called} of {} is that of service {owner}, which goes before the service of all ports",
                service.address
            )));
        }
        let located = match query.client {
            std::net::IpAddr::V4(v4) => locate(&view, &key, V4::from_bytes(v4.octets()), port),
            std::net::IpAddr::V6(v6) => locate(&view, &key, V6::from_bytes(v6.octets()), port),
        };
        let located =
            located.ok_or_else(|| Refusal::failed(format!("service {} is not in the maps", service.name)))?;
        Ok(self.put_into_words(query, service, &located, now))
    }

    /// Who answers for a port of a service's address: the exact port goes before all ports.
    fn owner<'a>(&'a self, service: &'a model::Service, called: u16) -> &'a str {
        let beside = |other: &&model::Service| {
            (other.address, other.protocol) == (service.address, service.protocol)
                && other.ports.numbers().contains(&called)
        };
        self.model.services.iter().find(beside).map_or(&service.name, |other| &other.name)
    }

    /// A service by its name.
    pub(super) fn named(&self, name: &str) -> Result<&model::Service, Refusal> {
        self.model.services.iter().find(|service| service.name == name).ok_or_else(|| {
            let names: Vec<_> = self.model.services.iter().map(|service| service.name.as_str()).collect();
            Refusal::not_found(format!("there is no service `{name}`; there are: {}", names.join(", ")))
        })
    }

    fn put_into_words(
        &self,
        query: &ExplainQuery,
        service: &model::Service,
        located: &Located,
        now: Tick,
    ) -> Explanation {
        let Located { denied, flow, session, hash } = *located;
        let decides = session.filter(Stored::decides);
        let (backend, reason) = match (flow, decides, hash) {
            _ if denied => (None, Why::None),
            (Some(id), _, _) => (Some(id), Why::Flow),
            (None, Some(stored), _) => (Some(stored.pin.backend), Why::Session),
            (None, None, Some(id)) => (Some(id), Why::Hash),
            (None, None, None) => (None, Why::None),
        };
        let name = |id: BackendId| self.backend_name(id);
        let hash_backend = hash.and_then(name);
        let persistence = &service.persistence;
        let left = |limit: std::time::Duration, since: Tick| {
            (limit.as_secs_f64() - Tick::seconds(now.since(since))).max(0.0)
        };
        let mut explanation = Explanation {
            service: service.name.clone(),
            client: query.client,
            port: query.port,
            backend: backend.and_then(name),
            reason,
            denied,
            hash_backend: hash_backend.clone(),
            session: session.map(|stored| Session {
                backend: name(stored.pin.backend),
                proven: stored.store == Store::Pins,
                age_s: Tick::seconds(now.since(stored.pin.created)),
                idle_s: Tick::seconds(now.since(stored.pin.seen)),
                valid: stored.decides(),
            }),
            idle_left_s: decides.map(|stored| left(persistence.idle_timeout, stored.pin.seen)),
            lifetime_left_s: decides
                .and_then(|stored| persistence.max_lifetime.map(|limit| left(limit, stored.pin.created))),
            if_backend_fails: backend.and_then(|id| self.without(service, query, id)),
            text: Vec::new(),
        };
        explanation.text = sentences(&explanation, service);
        explanation
    }

    pub(super) fn backend_name(&self, id: BackendId) -> Option<String> {
        let found = self.state.backends.iter().find(|(_, backend)| backend.id == id);
        found.map(|(key, _)| key.backend.clone())
    }

    /// The backend that the client would get if `id` failed its checks: the slot table is worked out
    /// as it would be then.
    fn without(&self, service: &model::Service, query: &ExplainQuery, id: BackendId) -> Option<String> {
        let PersistBy::ClientIp { .. } = service.persistence.by else { return None };
        let up = |backend: &&model::Backend| {
            let key =
                crate::health::BackendKey { service: service.name.clone(), backend: backend.name.clone() };
            self.state.backends.get(&key).filter(|b| b.health == Health::Up && b.id != id).map(|b| b.id)
        };
        let members: Vec<_> = service
            .backends
            .iter()
            .filter_map(|backend| {
                up(&backend).map(|id| crate::slots::Member {
                    name: &backend.name,
                    weight: backend.weight,
                    id: id.0,
                })
            })
            .collect();
        let slots = crate::slots::fill(&members, service.slots, self.inputs.seed);
        let first = service.ports.first().unwrap_or_default();
        let entry = &self.state.services.get(&plan::service_key(service, first))?.entry;
        let client = Ip::from(query.client).masked(entry.client_mask);
        let hash = lb_common::hash::client(&self.program.settings, entry.scope, client);
        let slot = (hash >> 32) as usize & (slots.len() - 1);
        self.backend_name(BackendId(slots[slot]))
    }
}

/// Why packets of a client are dropped that the access list does not let in.
fn denial(explanation: &Explanation, service: &model::Service) -> String {
    let rule = service.access.as_ref().and_then(|list| list.decides(explanation.client));
    let why = match rule {
        Some(rule) if !rule.prefix.is_whole() => format!("its access list denies {}", rule.prefix),
        _ => "its access list allows others only".to_owned(),
    };
    format!(
        "This client may not use {}: {why}. Its packets are dropped, also those of open connections.",
        service.name
    )
}

/// The port of the service that the question is about; 0 where it makes no difference.
fn called(service: &model::Service, query: &ExplainQuery) -> Result<u16, Refusal> {
    match (&service.ports, query.service_port) {
        (Ports::Any, None) if query.port.is_some() => Err(Refusal::invalid(format!(
            "service {} has every port: name the one that the connection goes to with --service-port",
            service.name
        ))),
        (ports, None) => Ok(ports.first().unwrap_or_default()),
        (Ports::Any, Some(port)) => Ok(port),
        (ports, Some(port)) if ports.numbers().contains(&port) => Ok(port),
        (ports, Some(port)) => Err(Refusal::invalid(format!(
            "service {} does not have port {port}: it has {ports}",
            service.name
        ))),
    }
}

/// The explanation for people.
fn sentences(explanation: &Explanation, service: &model::Service) -> Vec<String> {
    let seconds = |s: f64| humantime::format_duration(std::time::Duration::from_secs(s as u64)).to_string();
    if explanation.denied {
        return vec![denial(explanation, service)];
    }
    let by_connection_id = matches!(service.persistence.by, PersistBy::QuicCid(_));
    let by_connection = by_connection_id || service.persistence.by == PersistBy::Connection;
    let mut text = Vec::new();
    let backend = explanation.backend.as_deref().unwrap_or("nobody");
    text.push(match explanation.reason {
        Why::Flow => format!("This connection is open and goes to {backend}."),
        Why::Session => {
            format!("A new connection of this client goes to {backend}: it has a live session there.")
        }
        Why::Hash => {
            format!("A new connection of this client goes to {backend}: it has no session, the hash decides.")
        }
        Why::None if by_connection && explanation.port.is_none() => {
            "Each connection is hashed by itself: name a port to ask about one.".to_owned()
        }
        Why::None => "No backend is up: packets of this client are dropped.".to_owned(),
    });
    if by_connection_id {
        text.push(
            "A packet whose connection ID names a server goes there instead, if that one is up.".to_owned(),
        );
    }
    if let Some(session) = &explanation.session {
        let home = session.backend.as_deref().unwrap_or("a backend that is gone");
        let kind = if session.proven { "proven: it can't be evicted" } else { "not proven yet" };
        text.push(format!(
            "Its session at {home} is {} old, last used {} ago ({kind}).",
            seconds(session.age_s),
            seconds(session.idle_s)
        ));
        if !session.valid {
            text.push(
                "That session no longer decides: it has expired, or its backend is down or gone.".to_owned(),
            );
        }
    }
    if let Some(left) = explanation.idle_left_s {
        text.push(format!("Without traffic the session ends in {}.", seconds(left)));
    }
    if let Some(left) = explanation.lifetime_left_s {
        text.push(format!("At the latest it ends at the first new connection after {}.", seconds(left)));
    }
    if let Some(hash) = explanation.hash_backend.as_deref().filter(|hash| *hash != backend) {
        text.push(format!("The hash alone would say {hash}."));
    }
    if let Some(next) = &explanation.if_backend_fails {
        text.push(format!("If {backend} fails, new connections go to {next}."));
    }
    text
}
