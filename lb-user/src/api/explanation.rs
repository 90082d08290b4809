//! What `explain` is asked and says.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Which client of which service?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainQuery {
    /// Name of the service.
    pub service: String,
    /// The client's address. `None`: of a service of HTTP, a client is known by something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpAddr>,
    /// Which of the service's ports it calls; `None`: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_port: Option<u16>,
    /// Source port of the connection in question; `None`: the client's next connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The value of the cookie that the service looks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// The value of the header field that the service looks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Path and query of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Which backend a client gets, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Name of the service.
    pub service: String,
    /// The client's address, if the question named one.
    pub client: Option<IpAddr>,
    /// Source port of the connection asked about.
    pub port: Option<u16>,
    /// The backend; `None`: the packet would be dropped, or each connection is decided by itself and no port
    /// was named.
    pub backend: Option<String>,
    /// What decides.
    pub reason: Why,
    /// The service's access list does not let the client in: its packets are dropped, whatever else is here.
    #[serde(default)]
    pub denied: bool,
    /// What the hash alone would say.
    pub hash_backend: Option<String>,
    /// The client's session, live or not.
    pub session: Option<Session>,
    /// What its session is stored by where that is no address, written as one of 100::/8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<IpAddr>,
    /// Seconds without traffic after which the session is forgotten.
    pub idle_left_s: Option<f64>,
    /// Seconds after which the session is chosen anew; `None` without a bound.
    pub lifetime_left_s: Option<f64>,
    /// The backend that would take the client if its own went down; `None`: nobody, or it would depend on the
    /// connection.
    pub if_backend_fails: Option<String>,
    /// The same if an operator drained it: itself where the client would stay.
    #[serde(default)]
    pub if_backend_drains: Option<String>,
    /// The same in sentences for people.
    pub text: Vec<String>,
}

/// What decides where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// An open connection stays where it is.
    Flow,
    /// A live session.
    Session,
    /// A live session that a cookie carries, or leads to.
    Cookie,
    /// A live session that a header field leads to.
    Header,
    /// The slot table: the client is not known.
    Hash,
    /// Nothing: see [`Explanation::backend`].
    None,
}

impl Why {
    /// As in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Session => "session",
            Self::Cookie => "cookie",
            Self::Header => "header",
            Self::Hash => "hash",
            Self::None => "none",
        }
    }
}

/// A stored session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Where the client belongs; `None`: to a backend that is no longer configured.
    pub backend: Option<String>,
    /// The client has proved its address, so no stranger can push the session out.
    pub proven: bool,
    /// Seconds since it was made.
    pub age_s: f64,
    /// Seconds since its last traffic.
    pub idle_s: f64,
    /// It decides for the next connection; false once expired, or if its backend is down or gone.
    pub valid: bool,
}
