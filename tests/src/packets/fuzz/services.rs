//! The services of a history.

use lb_common::state::Policy;
use rand::{Rng, rngs::StdRng};

use super::{
    super::table::{Family, Ports, Site, rows::MODES},
    lists, pick,
};

/// The number of an access list, or none.
pub fn access(random: &mut StdRng) -> u32 {
    if random.random() { 0 } else { random.random_range(1..=lists::LAST) }
}

/// A site of every kind, with settings drawn by lot.
pub fn sites(random: &mut StdRng) -> Vec<Site> {
    let mut sites = Vec::new();
    for family in [Family::V4, Family::V6] {
        for udp in [false, true] {
            for forwarding in MODES {
                let site = Site::new(family, udp, forwarding);
                let number = sites.len() as u8;
                let part = if family == Family::V4 { 24 } else { 64 };
                // An IPv6 service has no IPv4 backends.
                let mixed = forwarding.is_tunnel() && random.random();
                let outer = if mixed { Family::V6 } else { family };
                let prefix = pick(random, &[None, Some(part), site.prefix, site.prefix]);
                let by_connection_id = udp && random.random_ratio(2, 3);
                sites.push(Site {
                    number,
                    outer,
                    prefix,
                    idle_ticks: pick(random, &[0, 1, 60, 1_700, 1_700]),
                    lifetime_ticks: pick(random, &[0, 0, 0, 3, 100]),
                    scope: if random.random_ratio(1, 4) { 7 } else { 8 + u64::from(number) },
                    // 2080 lies in the range of source ports.
                    port: pick(random, &[80, 80, 443, 2_080]),
                    ports: pick(random, &[Ports::One, Ports::One, Ports::List, Ports::ListToOne, Ports::Any]),
                    access: if random.random_ratio(1, 3) { access(random) } else { 0 },
                    only: prefix.is_some() && !by_connection_id && random.random_ratio(2, 3),
                    echo: random.random(),
                    by_connection_id,
                    policy: policy(random),
                    hold_ticks: pick(random, &[1, 3, 60]),
                    ..site
                });
            }
        }
    }
    sites
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
