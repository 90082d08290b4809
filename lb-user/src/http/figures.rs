//! What is counted of a service, by all workers together.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use http::StatusCode;
use lb_common::{reason::Reason, state::Cause};

/// What the sessions of all services count, as the packet program counts it of its own.
#[derive(Debug)]
pub struct Counters([AtomicU64; Reason::COUNT]);

impl Default for Counters {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Reason::COUNT])
    }
}

impl Counters {
    pub(super) fn count(&self, reason: Reason) {
        self.0[reason as usize].fetch_add(1, Relaxed);
    }

    /// So far.
    pub fn get(&self, reason: Reason) -> u64 {
        self.0[reason as usize].load(Relaxed)
    }
}

/// Upper bounds of the latency histogram, in microseconds; a last bucket has what takes longer.
pub const LATENCIES: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    10_000_000,
];

/// What became of the cookie that a request brought, or did not bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum CookieState {
    /// It decided.
    Live,
    /// There was none.
    Absent,
    /// It had been unused for too long.
    Idle,
    /// It had come to the end of its lifetime.
    Lifetime,
    /// Nobody who has the keys made it for this service.
    Forged,
    /// It names a backend that is not one of the service's any more.
    Unknown,
}

impl CookieState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Live, Self::Absent, Self::Idle, Self::Lifetime, Self::Forged, Self::Unknown];

    /// In metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Absent => "absent",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Forged => "forged",
            Self::Unknown => "unknown",
        }
    }
}

/// A service's figures, since the daemon's start.
#[derive(Debug, Default)]
pub struct Figures {
    /// Open connections of clients.
    pub connections: AtomicU64,
    /// Answers by class of status, 1xx first.
    pub statuses: [AtomicU64; 5],
    /// Answers by the time to their first byte, see [`LATENCIES`].
    pub latencies: [AtomicU64; LATENCIES.len() + 1],
    /// The sum of these times, in microseconds.
    pub latency_sum: AtomicU64,
    /// Requests that were tried again.
    pub retries: AtomicU64,
    /// Cookies set.
    pub cookies_set: AtomicU64,
    /// Requests by what their cookie was worth, see [`CookieState`].
    pub cookies: [AtomicU64; CookieState::ALL.len()],
    kept: AtomicU64,
    broken: [AtomicU64; Cause::ALL.len()],
}

impl Figures {
    pub(super) fn kept(&self) {
        self.kept.fetch_add(1, Relaxed);
    }

    pub(super) fn broken(&self, cause: Cause) {
        self.broken[cause as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn cookie(&self, state: CookieState) {
        self.cookies[state as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn answered(&self, status: StatusCode, after: Duration) {
        let class = usize::from(status.as_u16() / 100).clamp(1, self.statuses.len());
        self.statuses[class - 1].fetch_add(1, Relaxed);
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.latencies[LATENCIES.partition_point(|&bound| bound < micros)].fetch_add(1, Relaxed);
        self.latency_sum.fetch_add(micros, Relaxed);
    }

    /// Requests of live sessions that went where they belong, and broken promises by [`Cause`].
    pub fn promises(&self) -> (u64, [u64; Cause::ALL.len()]) {
        (self.kept.load(Relaxed), self.broken.each_ref().map(|count| count.load(Relaxed)))
    }
}
