//! A session that a cookie carries: no node has it, every node with the keys reads it.

use std::time::Duration;

use http::request::Parts;
use lb_common::{
    stage::{
        promise::{self, Standing},
        session,
    },
    state::{BackendId, Cause},
    tables::Tables as _,
};

use super::{Served, desk::Place};
use crate::{
    http::{
        cookie::{
            jar,
            judge::{Judged, judge},
            token::Claims,
        },
        figures::CookieState,
    },
    model::http::Method,
};

/// Between the session and the application's own value, in a cookie that has both.
pub(in crate::http) const SEPARATOR: char = '~';

/// A cookie's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) claims: Claims,
    /// It is time to write down that it was used.
    pub(super) is_stale: bool,
    pub(super) standing: Standing,
}

/// The token that a request has for `method`; empty where it has none. `None` where the method is about something else.
pub(super) fn token<'r>(method: &Method, request: &'r Parts) -> Option<&'r str> {
    match method {
        Method::Insert(cookie) => Some(jar::get(&request.headers, &cookie.name).unwrap_or_default()),
        Method::Prefix { name } => {
            let value = jar::get(&request.headers, name).and_then(|value| value.split_once(SEPARATOR));
            Some(value.map_or("", |(token, _)| token))
        }
        Method::Learn { .. } | Method::Header(_) | Method::Query(_) | Method::Path(_) | Method::ClientIp => {
            None
        }
    }
}

/// What a token is worth, and the session in it, if it is one of the service's.
pub(super) fn open(place: Place<'_>, token: &str, now: u64) -> (CookieState, Option<Carried>) {
    let served = place.served;
    if token.is_empty() {
        return (CookieState::Absent, None);
    }
    let Ok(claims) = served.keys.open(served.entry.scope, token) else {
        return (CookieState::Forged, None);
    };
    let persistence = &served.persistence;
    // Where the application sets the cookie, nothing of ours says that it is in use.
    let idle_timeout = if served.set_cookie.is_some() { persistence.idle_timeout } else { Duration::MAX };
    let ended = |cause| Carried { claims, is_stale: false, standing: Standing::Ended(cause) };
    match judge(&claims, now, idle_timeout, persistence.max_lifetime) {
        Judged::Future => (CookieState::Forged, None),
        Judged::Idle => (CookieState::Idle, Some(ended(Cause::Idle))),
        Judged::Lifetime => (CookieState::Lifetime, Some(ended(Cause::Lifetime))),
        Judged::Live { is_stale, .. } => match served.named(claims.backend, claims.server) {
            None if served.group_has(claims.backend) => {
                (CookieState::Live, Some(Carried { claims, is_stale: false, standing: Standing::Elsewhere }))
            }
            None => (CookieState::Unknown, Some(ended(Cause::Removed))),
            Some(upstream) => {
                let standing = standing(place, upstream.id);
                (CookieState::Live, Some(Carried { claims, is_stale, standing }))
            }
        },
    }
}

/// How a session stands whose home is `id`, as far as its cookie says that it lives.
fn standing(place: Place<'_>, id: BackendId) -> Standing {
    let service = &place.served.entry;
    let now = place.now();
    match session::begin(&place, service, id, now) {
        Some(pin) => promise::standing(&place, service, &pin, now),
        None => Standing::Ended(Cause::Removed),
    }
}

/// Who the session was with, for a report.
pub(super) fn home(served: &Served, claims: &Claims) -> BackendId {
    served.named(claims.backend, claims.server).map_or(BackendId::NONE, |upstream| upstream.id)
}

/// What a new session's cookie says.
pub(super) fn begin(served: &Served, id: BackendId, now: u64) -> Option<Claims> {
    let upstream = served.upstreams.get(&id).filter(|_| served.request.is_in_cookies())?;
    Some(Claims { backend: upstream.digest, server: upstream.server, issued: now, used: now })
}
