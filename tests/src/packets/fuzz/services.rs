//! The services of a history.

use lb_common::state::Policy;
use rand::{Rng, rngs::StdRng};

use super::{
    super::table::{
        Family, Ports, Site,
        rows::{self, FAMILIES},
    },
    lists, pick,
};

/// The number of an access list, or none.
pub fn access(random: &mut StdRng) -> u32 {
    if random.random() { 0 } else { random.random_range(1..=lists::LAST) }
}

/// A site of every kind, those of the host's own among them, with settings drawn by lot.
pub fn sites(random: &mut StdRng) -> Vec<Site> {
    let kinds = rows::sites().chain(FAMILIES.map(Site::local));
    (0..).zip(kinds).map(|(number, site)| drawn(random, Site { number, ..site })).collect()
}

fn drawn(random: &mut StdRng, site: Site) -> Site {
    let part = if site.family == Family::V4 { 24 } else { 64 };
    // An IPv6 service has no IPv4 backends.
    let mixed = site.forwarding.is_tunnel() && random.random();
    let outer = if mixed { Family::V6 } else { site.family };
    let prefix = pick(random, &[None, Some(part), site.prefix, site.prefix]);
    let by_connection_id = site.udp && random.random_ratio(2, 3);
    Site {
        outer,
        prefix,
        idle_ticks: pick(random, &[0, 1, 60, 1_700, 1_700]),
        lifetime_ticks: pick(random, &[0, 0, 0, 3, 100]),
        scope: if random.random_ratio(1, 4) { 7 } else { 8 + u64::from(site.number) },
        // 2080 lies in the range of source ports.
        port: pick(random, &[80, 80, 443, 2_080]),
        ports: pick(random, &[Ports::One, Ports::One, Ports::List, Ports::ListToOne, Ports::Any]),
        access: if random.random_ratio(1, 3) { access(random) } else { 0 },
        only: prefix.is_some() && !by_connection_id && random.random_ratio(2, 3),
        echo: random.random(),
        by_connection_id,
        policy: site.policy.with(policy(random)),
        hold_ticks: pick(random, &[1, 3, 60]),
        ..site
    }
}

/// Any promises, also such as the daemon would not write: of two that contradict each other one goes first.
fn policy(random: &mut impl Rng) -> Policy {
    let all = [
        Policy::GROUPED,
        Policy::LENDS,
        Policy::REFUSES,
        Policy::HOLDS,
        Policy::MOVES_ON_DRAIN,
        Policy::REFUSES_WHEN_FULL,
        Policy::LEAST_SESSIONS,
        Policy::BOUNDED,
    ];
    all.into_iter().filter(|_| random.random_ratio(1, 6)).fold(Policy::default(), Policy::with)
}
