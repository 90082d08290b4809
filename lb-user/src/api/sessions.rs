//! Stored sessions, listed and dropped.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{Explanation, Session};

/// Which sessions; what is not said is any.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionFilter {
    /// Name of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Of clients in this prefix, or whose own prefix it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<IpNet>,
    /// Name of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Of a list: at most so many, 1..=1,000,000. 100 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Of a list: go on behind this one, which is the last list's `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl SessionFilter {
    /// Entries of a list that says nothing else.
    pub const LIMIT: usize = 100;
    /// Entries of a list at most.
    pub const MOST: usize = 1_000_000;
}

/// Stored sessions, by service and client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionList {
    /// How many there are in all that the filter fits.
    pub matching: u64,
    /// Those of this page.
    pub sessions: Vec<ListedSession>,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<String>,
}

/// A stored session and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListedSession {
    /// The service.
    pub service: String,
    /// The client's address or prefix.
    pub client: IpNet,
    /// The session itself.
    #[serde(flatten)]
    pub session: Session,
    /// Seconds without traffic after which it is forgotten.
    pub idle_left_s: f64,
    /// Seconds after which it is chosen anew; `None` without a bound.
    pub lifetime_left_s: Option<f64>,
}

/// A stored session with everything that is known about its client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownSession {
    /// The session.
    #[serde(flatten)]
    pub listed: ListedSession,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When its client was last seen.
    pub seen_at: u64,
    /// Where the client's next connection goes, and why.
    pub text: Vec<String>,
}

impl ShownSession {
    /// Of what the daemon says about it.
    #[must_use]
    pub fn new(listed: ListedSession, explanation: Explanation, now: SystemTime) -> Self {
        let at = |ago: f64| {
            let time = now.checked_sub(Duration::from_secs_f64(ago.max(0.0))).unwrap_or(UNIX_EPOCH);
            time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
        };
        let (created_at, seen_at) = (at(listed.session.age_s), at(listed.session.idle_s));
        Self { listed, created_at, seen_at, text: explanation.text }
    }
}

/// What was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// How many sessions.
    pub sessions: u64,
}
