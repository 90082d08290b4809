//! `explain`: the packet program's own answer, in words.

mod requests;
mod words;

use std::net::IpAddr;

use lb_common::{
    explain::{Located, Stored, locate},
    net::{Be16, Ip, V4, V6},
    stage::{promise::Standing, session},
    state::{BackendId, Health},
    tables::Store,
    time::Tick,
};

use super::core::Core;
use crate::{
    api::{ExplainQuery, Explanation, Refusal, Session, Why},
    clock,
    dataplane::View,
    model::{self, OnDown, OnDrain, PersistBy, Ports},
    plan,
};

impl Core {
    /// Which backend a client gets, and why.
    pub(super) fn explain(&self, query: &ExplainQuery) -> Result<Explanation, Refusal> {
        let service = self.named(&query.service)?;
        if service.http.is_some() {
            return self.explain_request(query, service);
        }
        let client = client(service, query)?;
        let now = clock::now();
        let view = self.view(now);
        let called = called(service, query)?;
        let (key, port) = (plan::service_key(service, called), query.port.map(Be16::new));
        let owner = self.owner(service, called);
        if owner != service.name {
            return Err(Refusal::invalid(format!(
                "port {called} of {} is that of service {owner}, which goes before the service of all ports",
                service.address
            )));
        }
        let located = match client {
            IpAddr::V4(v4) => locate(&view, &key, V4::from_bytes(v4.octets()), port),
            IpAddr::V6(v6) => locate(&view, &key, V6::from_bytes(v6.octets()), port),
        };
        let located =
            located.ok_or_else(|| Refusal::failed(format!("service {} is not in the maps", service.name)))?;
        Ok(self.put_into_words((query, client), service, &located, now))
    }

    fn view(&self, now: Tick) -> View<'_> {
        View { kernel: &self.program.kernel, settings: &self.program.settings, now }
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
        (query, client): (&ExplainQuery, IpAddr),
        service: &model::Service,
        located: &Located,
        now: Tick,
    ) -> Explanation {
        let Located { denied, flow, session, hash } = *located;
        let standing = session.map(|stored| stored.standing);
        let decides = session.filter(Stored::decides);
        let (backend, reason) = match (flow, standing) {
            _ if denied => (None, Why::None),
            (Some(id), _) => (Some(id), Why::Flow),
            (None, Some(Standing::Holds(id))) => (Some(id), Why::Session),
            (None, Some(Standing::Refused)) => (None, Why::Session),
            (None, _) if hash.is_some() => (hash, Why::Hash),
            (None, _) => (None, Why::None),
        };
        let name = |id: BackendId| self.backend_name(id);
        let hash_backend = hash.and_then(name);
        let persistence = &service.persistence;
        let left = |limit: std::time::Duration, since: Tick| {
            (limit.as_secs_f64() - Tick::seconds(now.since(since))).max(0.0)
        };
        let mut explanation = Explanation {
            service: service.name.clone(),
            client: Some(client),
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
            key: None,
            if_backend_fails: None,
            if_backend_drains: None,
            text: Vec::new(),
        };
        let other = backend.and_then(|id| self.without(service, client, id));
        let stays = persistence.on_drain == OnDrain::Keep && (decides.is_some() || flow.is_some());
        explanation.if_backend_drains = if stays { explanation.backend.clone() } else { other.clone() };
        explanation.if_backend_fails = other.filter(|_| persistence.on_down != OnDown::Refuse);
        explanation.text = words::sentences(&explanation, service, standing);
        explanation
    }

    pub(super) fn backend_name(&self, id: BackendId) -> Option<String> {
        let found = self.state.backends.iter().find(|(_, backend)| backend.id == id);
        found.map(|(key, _)| key.backend.clone())
    }

    /// The backend that the client would get if `id` failed its checks: the slot table is worked out
    /// as it would be then.
    fn without(&self, service: &model::Service, client: IpAddr, id: BackendId) -> Option<String> {
        let PersistBy::ClientIp { .. } = service.persistence.by else { return None };
        let up = |backend: &&model::Backend| {
            let key = crate::health::BackendKey::new(&service.name, &backend.name);
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
        let entry = self.state.entry(service)?;
        let view = self.view(clock::now());
        let key = session::key(&view, entry, Ip::from(client))?;
        let hash = session::hash(&view, &key);
        let slot = (hash >> 32) as usize & (slots.len() - 1);
        self.backend_name(BackendId(slots[slot]))
    }
}

/// The client that the question is about: nothing else tells one of packets.
fn client(service: &model::Service, query: &ExplainQuery) -> Result<IpAddr, Refusal> {
    let facts = [("--cookie", &query.cookie), ("--header", &query.header), ("--path", &query.path)];
    if let Some((option, _)) = facts.iter().find(|(_, value)| value.is_some()) {
        return Err(Refusal::invalid(format!(
            "service {} is of {}, where nobody sees requests: ask without {option}",
            service.name, service.protocol
        )));
    }
    let client = query.client.ok_or_else(|| Refusal::invalid("say which client: --client ADDR"))?;
    if client.is_ipv4() != service.address.is_ipv4() {
        let family = if service.address.is_ipv4() { "IPv4" } else { "IPv6" };
        return Err(Refusal::invalid(format!(
            "service {} is at {}: its clients have {family} addresses, {client} is not one",
            service.name, service.address
        )));
    }
    Ok(client)
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
