//! The choice, asked instead of made: nothing is stored or counted.

use lb_common::{
    stage::{
        promise::{self, Standing},
        select, session,
    },
    state::{BackendId, Pin, SessionKey},
    tables::{Store, Tables as _},
};

use super::{
    carried::{self, Carried},
    choose::Question,
    desk::Place,
    identity::{self, Identity, identify},
};
use crate::{
    http::{cookie::token::Claims, figures::CookieState},
    model::http::Method,
};

/// What a request would meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The session, and what it is known by.
    pub session: Option<Found>,
    /// What it says of the request.
    pub standing: Option<Standing>,
    /// The backend by hash alone; `None`: none is up, or each connection goes its own way.
    pub hash: Option<BackendId>,
    /// What Limpet's own cookie is worth, if the service has one.
    pub cookie: Option<CookieState>,
    /// Nobody knows the client.
    pub is_stranger: bool,
}

/// A session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// In a cookie, of this backend.
    Carried(Claims, BackendId),
    /// Stored.
    Stored {
        /// Under this key.
        key: SessionKey,
        /// In this map.
        store: Store,
        /// As it is.
        pin: Pin,
        /// What led there.
        by: Led,
    },
}

/// What leads to a stored session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Led {
    /// A cookie of the application's.
    Cookie,
    /// A header field.
    Header,
    /// Anything else.
    Other,
}

/// What `question` would meet. `by_address`: it is about the session of the client's address, whatever else the service
/// looks at.
pub(in crate::http) fn explain(place: Place<'_>, question: &Question<'_>, by_address: bool) -> Explained {
    let service = &place.served.entry;
    let (identity, cookie) = match identity::address(place.served, question.client).filter(|_| by_address) {
        Some(key) => (Identity::Key(&Method::ClientIp, key), None),
        None => identify(place, question),
    };
    let by_hash = |hash| select::by_hash(&place, service, hash);
    match identity {
        Identity::Cookie(token, Carried { claims, standing, .. }) => Explained {
            session: Some(Found::Carried(claims, carried::home(place.served, &claims))),
            standing: Some(standing),
            hash: by_hash(identity::hash(place.settings(), token.as_bytes())),
            cookie,
            is_stranger: false,
        },
        Identity::Key(method, key) => {
            let stored = session::find(&place, &key).map(|(store, stored)| (store, stored.load()));
            let standing = stored.map(|(_, pin)| promise::standing(&place, service, &pin, place.now()));
            let by = match method {
                Method::Learn { .. } => Led::Cookie,
                Method::Header(_) => Led::Header,
                _ => Led::Other,
            };
            Explained {
                session: stored.map(|(store, pin)| Found::Stored { key, store, pin, by }),
                standing,
                hash: by_hash(session::hash(&place, &key)),
                cookie,
                is_stranger: false,
            }
        }
        Identity::Stranger => {
            Explained { session: None, standing: None, hash: None, cookie, is_stranger: true }
        }
    }
}
