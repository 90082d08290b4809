//! `AFFINITY` and `PINS`: stored sessions, (scope, client) -> backend.
//!
//! Sessions of clients that may have forged their address go to `AFFINITY`, an LRU map, where a scan
//! can only push out other strangers. A client that has proved itself moves to `PINS`, a plain hash
//! that refuses when full and never evicts.

use super::{BackendId, Plain, layout};
use crate::{net::Ip, shared::Word, time::Tick};

/// Key of `AFFINITY` and `PINS`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[repr(C)]
pub struct SessionKey {
    /// Scope of the session, see [`super::Service::scope`].
    pub scope: u64,
    /// The client key: its masked address.
    pub client: Ip,
}
layout!(SessionKey, size = 24, align = 8);
// SAFETY: an integer and bytes, no padding.
unsafe impl Plain for SessionKey {}

/// A stored session. Two words, each replaced whole.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Session {
    /// Backend (low half) and its generation (high half).
    home: Word,
    /// Tick of creation (low half) and of the last traffic (high half).
    times: Word,
}
layout!(Session, size = 16, align = 8);
// SAFETY: two shared words; every bit pattern is a session of some backend.
unsafe impl Plain for Session {}

/// A session's content at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pin {
    /// Where the client belongs.
    pub backend: BackendId,
    /// The backend's generation when the session was made.
    pub generation: u32,
    /// When it was made.
    pub created: Tick,
    /// The last traffic of any of its connections.
    pub seen: Tick,
}

impl Pin {
    /// A session that begins now.
    #[inline(always)]
    pub const fn new(backend: BackendId, generation: u32, now: Tick) -> Self {
        Self { backend, generation, created: now, seen: now }
    }

    /// From a map value: the two words of a [`Session`].
    #[inline(always)]
    pub const fn from_words([home, times]: [u64; 2]) -> Self {
        Self {
            backend: BackendId(home as u32),
            generation: (home >> 32) as u32,
            created: Tick(times as u32),
            seen: Tick((times >> 32) as u32),
        }
    }

    /// True if both name the same backend of the same generation.
    #[inline(always)]
    pub const fn same_home(&self, other: &Self) -> bool {
        self.backend.0 == other.backend.0 && self.generation == other.generation
    }

    /// True once the session may no longer decide: idle for too long, or too old.
    #[inline(always)]
    pub const fn expired(&self, now: Tick, idle_ticks: u32, lifetime_ticks: u32) -> bool {
        self.idled(now, idle_ticks) || self.outlived(now, lifetime_ticks)
    }

    /// True if it was idle for longer than `idle_ticks`.
    #[inline(always)]
    pub const fn idled(&self, now: Tick, idle_ticks: u32) -> bool {
        now.since(self.seen) > idle_ticks
    }

    /// True if it is older than `lifetime_ticks` (0: no bound).
    #[inline(always)]
    pub const fn outlived(&self, now: Tick, lifetime_ticks: u32) -> bool {
        lifetime_ticks != 0 && now.since(self.created) > lifetime_ticks
    }
}

impl From<Pin> for Session {
    #[inline(always)]
    fn from(pin: Pin) -> Self {
        Self {
            home: Word::new(u64::from(pin.backend.0) | u64::from(pin.generation) << 32),
            times: Word::new(u64::from(pin.created.0) | u64::from(pin.seen.0) << 32),
        }
    }
}

impl Session {
    /// The content of this moment. The two halves may be of different moments: a session that is
    /// moved in between is read with the old times, which the next packet mends.
    #[inline(always)]
    pub fn load(&self) -> Pin {
        Pin::from_words([self.home.load(), self.times.load()])
    }

    /// Replaces the content: the session moves.
    #[inline(always)]
    pub fn store(&self, pin: Pin) {
        let Self { home, times } = pin.into();
        self.home.store(home.load());
        self.times.store(times.load());
    }

    /// Slides the idle timeout.
    #[inline(always)]
    pub fn touch(&self, pin: Pin, now: Tick) {
        self.times.store(u64::from(pin.created.0) | u64::from(now.0) << 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        let pin = Pin { backend: BackendId(1), generation: 1, created: Tick(10), seen: Tick(100) };
        assert!(!pin.expired(Tick(130), 30, 0));
        assert!(pin.expired(Tick(131), 30, 0));
        assert!(pin.expired(Tick(131), 300, 120));
        assert!(!pin.expired(Tick(130), 300, 120));
        let session = Session::from(pin);
        session.touch(session.load(), Tick(125));
        assert_eq!(session.load(), Pin { seen: Tick(125), ..pin });
    }
}
