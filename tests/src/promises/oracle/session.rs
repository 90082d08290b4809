//! Sessions, as the rules have them.

use lb_common::{state::Cause, time::Tick};

use super::fleet::{Backend, Fleet, Life, State};
use crate::promises::setup::{OnDown, Policy};

/// A client's session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// Whose it is.
    pub home: Life,
    /// When it was made.
    pub created: Tick,
    /// The last traffic of any of its client's connections.
    pub seen: Tick,
    /// The last time that its client came, its home did not serve it.
    pub is_away: bool,
    /// It is a proven client's: never evicted.
    pub is_proven: bool,
}

/// What a session says of a new connection.
#[derive(Clone, Copy, Debug)]
pub enum Standing {
    /// It goes there.
    Holds(Backend),
    /// The service does not have the session's server: it goes by hash, and that is all.
    Elsewhere,
    /// It goes by hash until the home is back.
    Lent,
    /// It is refused.
    Refused,
    /// It goes by hash, and the session with it.
    Ended(Cause),
}

impl Session {
    /// One that begins.
    pub const fn new(home: Life, now: Tick, is_proven: bool) -> Self {
        Self { home, created: now, seen: now, is_away: false, is_proven }
    }

    fn is_idle(&self, policy: &Policy, now: Tick) -> bool {
        now.0 - self.seen.0 > policy.idle
    }

    fn is_too_old(&self, policy: &Policy, now: Tick) -> bool {
        policy.lifetime.is_some_and(|lifetime| now.0 - self.created.0 > lifetime)
    }

    /// How it stands with a service.
    pub fn standing(&self, policy: &Policy, fleet: &Fleet, service: u8, now: Tick) -> Standing {
        if self.is_idle(policy, now) {
            return Standing::Ended(Cause::Idle);
        }
        if self.is_too_old(policy, now) {
            return Standing::Ended(Cause::Lifetime);
        }
        if !fleet.is_home(self.home) {
            return Standing::Ended(Cause::Removed);
        }
        let Some(backend) = fleet.of(service).values().find(|backend| backend.home == self.home) else {
            return Standing::Elsewhere;
        };
        match backend.state {
            State::Disabled => Standing::Ended(Cause::Drained),
            State::Draining if policy.moves_on_drain => Standing::Ended(Cause::Drained),
            State::Up | State::Draining => Standing::Holds(*backend),
            State::Down => match policy.on_down {
                OnDown::Lend => Standing::Lent,
                OnDown::Refuse => Standing::Refused,
                OnDown::Hold(time) if now.0 - backend.since.0 <= time => Standing::Refused,
                OnDown::Hold(_) | OnDown::Repin => Standing::Ended(Cause::Down),
            },
        }
    }

    /// Traffic of an open connection to a backend with this home. One that had been idle for too long is another from
    /// then on; one that is too old goes on until its client opens the next connection.
    pub fn hears(&mut self, policy: &Policy, home: Life, now: Tick, is_proof: bool) {
        if self.is_too_old(policy, now) {
            self.seen = now;
            return;
        }
        let is_proven = self.is_proven || is_proof;
        *self = match self.is_idle(policy, now) {
            true => Self::new(home, now, is_proven),
            false => Self { seen: now, is_proven, ..*self },
        };
    }

    /// A new connection took it along, for this reason.
    pub fn moved(&mut self, cause: Cause, home: Life, now: Tick) {
        *self = match cause {
            Cause::Idle | Cause::Lifetime => Self::new(home, now, self.is_proven),
            _ => Self { home, is_away: false, ..*self },
        };
    }
}
