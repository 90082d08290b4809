//! Whether the session in a token still holds.

use std::time::Duration;

use super::token::Claims;

/// Seconds that the clock of the node that issued a token may be ahead of ours.
const SKEW: u64 = 300;
/// A token is issued anew once this part of the idle timeout has gone by: a session that is in use ends early by that
/// at most, and most responses set no cookie.
const STALE: u32 = 8;

/// What is to be thought of a token's claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// The session holds.
    Live {
        /// Since it began.
        age: Duration,
        /// Since it was used last.
        idle: Duration,
        /// The last use is so long ago that it is time to write down this one.
        is_stale: bool,
    },
    /// It was idle for longer than the timeout.
    Idle,
    /// It is older than the longest lifetime.
    Lifetime,
    /// It says that it is from the future, by more than clocks differ: to be taken for a forged one.
    Future,
}

/// Judges `claims` at `now`, in seconds since 1970. A moment that is up to five minutes ahead counts as now, for the
/// clocks of nodes differ. Where both timeouts have passed, the lifetime is named: it is the one that no use puts off.
pub fn judge(claims: &Claims, now: u64, idle_timeout: Duration, max_lifetime: Option<Duration>) -> Judged {
    if claims.issued.max(claims.used) > now.saturating_add(SKEW) {
        return Judged::Future;
    }
    let since = |moment| Duration::from_secs(now.saturating_sub(moment));
    let (age, idle) = (since(claims.issued), since(claims.used));
    if max_lifetime.is_some_and(|lifetime| age > lifetime) {
        return Judged::Lifetime;
    }
    if idle > idle_timeout {
        return Judged::Idle;
    }
    let is_stale = idle > Duration::ZERO && idle >= idle_timeout / STALE;
    Judged::Live { age, idle, is_stale }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;
    const HOUR: Duration = Duration::from_secs(3600);

    fn at(age: u64, idle: u64) -> Claims {
        Claims { backend: 1, server: 2, issued: NOW - age, used: NOW - idle }
    }

    fn live(age: u64, idle: u64, is_stale: bool) -> Judged {
        Judged::Live { age: Duration::from_secs(age), idle: Duration::from_secs(idle), is_stale }
    }

    #[test]
    fn timeouts_end_a_session_once_they_have_passed() {
        for (age, idle, expected) in [
            (0, 0, live(0, 0, false)),
            (9000, 449, live(9000, 449, false)),
            (9000, 450, live(9000, 450, true)),
            (9000, 3600, live(9000, 3600, true)),
            (9000, 3601, Judged::Idle),
            (86_400, 60, live(86_400, 60, false)),
            (86_401, 60, Judged::Lifetime),
            (90_000, 4000, Judged::Lifetime),
        ] {
            assert_eq!(judge(&at(age, idle), NOW, HOUR, Some(24 * HOUR)), expected, "{age} {idle}");
        }
        assert_eq!(judge(&at(NOW, 60), NOW, HOUR, None), live(NOW, 60, false));
    }

    #[test]
    fn the_shortest_timeout_is_written_down_each_second() {
        let second = Duration::from_secs(1);
        assert_eq!(judge(&at(9, 0), NOW, second, None), live(9, 0, false));
        assert_eq!(judge(&at(9, 1), NOW, second, None), live(9, 1, true));
        assert_eq!(judge(&at(9, 2), NOW, second, None), Judged::Idle);
    }

    #[test]
    fn clocks_may_differ_by_five_minutes() {
        let claims = at(0, 0);
        assert_eq!(judge(&claims, NOW - 300, HOUR, Some(HOUR)), live(0, 0, false));
        assert_eq!(judge(&claims, NOW - 301, HOUR, Some(HOUR)), Judged::Future);
        assert_eq!(judge(&Claims { issued: 0, ..claims }, NOW - 301, HOUR, None), Judged::Future);
        assert_eq!(judge(&Claims { used: 0, ..claims }, NOW - 301, HOUR, None), Judged::Future);
    }

    proptest! {
        /// A session that is used at least once in 7/8 of its timeout never ends by it, if its token is issued anew
        /// only when it is stale.
        #[test]
        fn a_session_in_use_does_not_idle(
            timeout in 8_u64..100_000,
            pauses in prop::collection::vec(0.0..=0.875, 1..50),
        ) {
            let (mut now, mut claims) = (NOW, at(0, 0));
            for pause in pauses {
                now += (timeout as f64 * pause) as u64;
                let judged = judge(&claims, now, Duration::from_secs(timeout), None);
                let Judged::Live { is_stale, .. } = judged else { panic!("{judged:?} of {claims:?} at {now}") };
                if is_stale {
                    claims.used = now;
                }
            }
        }

        #[test]
        fn any_claims_are_judged(issued: u64, used: u64, now: u64, idle: u64, lifetime: Option<u64>) {
            let claims = Claims { backend: 1, server: 2, issued, used };
            let judged = judge(&claims, now, Duration::from_secs(idle), lifetime.map(Duration::from_secs));
            let is_ahead = |moment: u64| moment.saturating_sub(now) > 300;
            prop_assert_eq!(judged == Judged::Future, is_ahead(issued) || is_ahead(used));
        }
    }
}
