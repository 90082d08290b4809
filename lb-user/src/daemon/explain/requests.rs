//! `explain` for services of HTTP: the tier's own answer.

use std::net::IpAddr;

use lb_common::{stage::promise::Standing, state::BackendId, tables::Store, time::Tick};

use super::{Core, words};
use crate::{
    access::Admission,
    api::{ExplainQuery, Explanation, Refusal, Session, Why},
    clock,
    http::explain::{Explained, Facts, Found, Led},
    model::{OnDrain, Service, http::is_digest},
};

impl Core {
    /// Which backend a request goes to, and why.
    pub(super) fn explain_request(
        &self,
        query: &ExplainQuery,
        service: &Service,
    ) -> Result<Explanation, Refusal> {
        let facts = Facts {
            client: query.client,
            cookie: query.cookie.as_deref(),
            header: query.header.as_deref(),
            path: query.path.as_deref(),
        };
        let promises = self.program.kernel.promises()?;
        let explained = self.http.explain(&service.name, &facts, promises).map_err(Refusal::invalid)?;
        let denied = query.client.is_some_and(|client| is_denied(service, client));
        Ok(self.request_in_words(query, service, &explained, denied))
    }

    fn request_in_words(
        &self,
        query: &ExplainQuery,
        service: &Service,
        explained: &Explained,
        denied: bool,
    ) -> Explanation {
        let Explained { session, standing, hash, .. } = *explained;
        let found_by = match session {
            Some(Found::Carried(..)) => Why::Cookie,
            Some(Found::Stored { by: Led::Cookie, .. }) => Why::Cookie,
            Some(Found::Stored { by: Led::Header, .. }) => Why::Header,
            _ => Why::Session,
        };
        let (backend, reason) = match standing {
            _ if denied => (None, Why::None),
            Some(Standing::Holds(id)) => (Some(id), found_by),
            Some(Standing::Refused) => (None, found_by),
            _ if hash.is_some() || explained.is_stranger => (hash, Why::Hash),
            _ => (None, Why::None),
        };
        let name = |id: BackendId| self.backend_name(id);
        let decides = matches!(standing, Some(Standing::Holds(_) | Standing::Refused));
        let (age_s, idle_s) = session.map_or((0.0, 0.0), times);
        let persistence = &service.persistence;
        let left = |limit: std::time::Duration, since: f64| (limit.as_secs_f64() - since).max(0.0);
        let mut explanation = Explanation {
            service: service.name.clone(),
            client: query.client,
            port: query.port,
            backend: backend.and_then(name),
            reason,
            denied,
            hash_backend: hash.and_then(name),
            session: session.map(|found| Session {
                backend: match found {
                    Found::Carried(_, id) => name(id),
                    Found::Stored { pin, .. } => name(pin.backend),
                },
                proven: !matches!(found, Found::Stored { store: Store::Affinity, .. }),
                age_s,
                idle_s,
                valid: decides,
            }),
            key: match session {
                Some(Found::Stored { key, .. }) => Some(key.client.into()).filter(|key| is_digest(*key)),
                _ => None,
            },
            idle_left_s: decides.then(|| left(persistence.idle_timeout, idle_s)),
            lifetime_left_s: persistence.max_lifetime.filter(|_| decides).map(|limit| left(limit, age_s)),
            if_backend_fails: None,
            if_backend_drains: None,
            text: Vec::new(),
        };
        if decides && persistence.on_drain == OnDrain::Keep {
            explanation.if_backend_drains.clone_from(&explanation.backend);
        }
        explanation.text = words::request(&explanation, service, explained);
        explanation
    }
}

/// Does the packet program keep the client out?
fn is_denied(service: &Service, client: IpAddr) -> bool {
    let rule = service.access.as_ref().and_then(|list| list.decides(client));
    rule.is_some_and(|rule| rule.admission == Admission::Deny)
}

/// Seconds since a session began, and since it was used.
fn times(found: Found) -> (f64, f64) {
    match found {
        Found::Carried(claims, _) => {
            let now = clock::seconds();
            let since = |at: u64| now.saturating_sub(at) as f64;
            (since(claims.issued), since(claims.used))
        }
        Found::Stored { pin, .. } => {
            let now = clock::now();
            (Tick::seconds(now.since(pin.created)), Tick::seconds(now.since(pin.seen)))
        }
    }
}
