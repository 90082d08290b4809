//! Questions about requests that nobody has made.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use http::{HeaderValue, Request, header::COOKIE, request::Parts};

pub use super::session::{Explained, Found, Led};
use super::{
    Tier,
    session::{Desk, Question, SEPARATOR, Served},
};
use crate::{clock, dataplane::Promises, model::http::Method};

/// What is known of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The value of its cookie.
    pub cookie: Option<&'a str>,
    /// The value of the header field that counts.
    pub header: Option<&'a str>,
    /// Path and query.
    pub path: Option<&'a str>,
}

/// Why there is no answer, in words.
pub type Unanswered = String;

impl Tier {
    /// What a request of which this is known would meet at `service`.
    ///
    /// # Errors
    /// The service does not look at that, or it can't be in a request.
    pub fn explain(
        &self,
        service: &str,
        facts: &Facts<'_>,
        promises: Promises,
    ) -> Result<Explained, Unanswered> {
        let served =
            self.served.get(service).ok_or_else(|| format!("service {service} is not served yet"))?;
        let request = request(served, facts)?;
        let desk = Desk::new(promises, Arc::clone(&self.counters), self.events.clone());
        let question = Question {
            request: &request,
            client: facts.client.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            connection: 0,
            now: clock::seconds(),
        };
        let by_address = facts.cookie.is_none() && facts.header.is_none() && facts.path.is_none();
        Ok(super::session::explain(desk.at(served), &question, by_address))
    }
}

/// A request with all that is known of it.
fn request(served: &Served, facts: &Facts<'_>) -> Result<Parts, Unanswered> {
    let methods = &served.request.methods;
    let mut request = Request::get(facts.path.unwrap_or("/"));
    if let Some(value) = facts.cookie {
        let name = methods.iter().find_map(|method| match method {
            Method::Insert(cookie) => Some(&cookie.name),
            Method::Prefix { name } | Method::Learn { name } => Some(name),
            _ => None,
        });
        let name = name.ok_or_else(|| format!("service {} looks at no cookie", served.name))?;
        // A cookie in front of which the session stands is whole also without the application's part.
        let is_prefix = methods.iter().any(|method| matches!(method, Method::Prefix { .. }));
        let tail = (is_prefix && !value.contains(SEPARATOR)).then_some(SEPARATOR);
        let cookie = format!("{name}={value}{}", tail.map(String::from).unwrap_or_default());
        request = request.header(COOKIE, value_of(&cookie)?);
    }
    if let Some(value) = facts.header {
        let name = methods.iter().find_map(|method| match method {
            Method::Header(name) => Some(name),
            _ => None,
        });
        let name = name.ok_or_else(|| format!("service {} looks at no header field", served.name))?;
        request = request.header(name, value_of(value)?);
    }
    let request = request.body(()).map_err(|error| format!("this can't be in a request: {error}"))?;
    Ok(request.into_parts().0)
}

fn value_of(text: &str) -> Result<HeaderValue, Unanswered> {
    HeaderValue::from_str(text)
        .map_err(|_| "the value has characters that no header field may have".to_owned())
}
