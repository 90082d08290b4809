//! What `status` says of a service of HTTP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Requests of a service, since the daemon started.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Requests {
    /// It speaks TLS.
    pub tls: bool,
    /// Open connections of clients.
    pub connections: u64,
    /// Answers by class of status, `1xx` to `5xx`; 101 is that of an upgraded connection.
    pub statuses: BTreeMap<String, u64>,
    /// Requests that were tried again, as no connection to the backend could be made.
    pub retries: u64,
    /// Cookies set.
    pub cookies_set: u64,
    /// Requests by what their cookie of Limpet's was worth.
    pub cookies: BTreeMap<String, u64>,
    /// How long answers took to begin.
    pub latency: Latency,
}

/// Times to the first byte of an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Upper bounds in seconds, and the answers within them that are above the one before.
    pub buckets: Vec<(f64, u64)>,
    /// Answers above the last bound.
    pub above: u64,
    /// Sum of the times, in seconds.
    pub sum_s: f64,
}

impl Latency {
    /// Answers in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum::<u64>() + self.above
    }

    /// The bound, in seconds, below which this part of the answers began; `None` above the last, or without any.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = (self.count() as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.buckets.iter().find_map(|(bound, count)| {
            seen += count;
            (seen >= wanted).then_some(*bound)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn quantiles_are_bounds() {
        let latency = Latency { buckets: vec![(0.001, 90), (0.01, 9)], above: 1, sum_s: 0.5 };
        assert_eq!(latency.count(), 100);
        assert_eq!(
            [0.5, 0.9, 0.91, 0.99, 1.0].map(|part| latency.quantile(part)),
            [Some(0.001), Some(0.001), Some(0.01), Some(0.01), None]
        );
        assert_eq!(Latency::default().quantile(0.5), None);
    }
}
