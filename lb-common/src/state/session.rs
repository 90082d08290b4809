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

/// A stored session. Three words, each replaced whole.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Session {
    /// Backend (20 bits), [`Session::AWAY`], and the backend's generation (high half).
    home: Word,
    /// Tick of creation (low half) and of the last traffic (high half).
    times: Word,
    /// Connections made under it, about: two CPUs that count at the same moment count once.
    connections: Word,
}
layout!(Session, size = 24, align = 8);
// SAFETY: three shared words; every bit pattern is a session of some backend.
unsafe impl Plain for Session {}

/// A session's content at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pin {
    /// Where the client belongs: a backend, or in a group the home that several services' backends share
    /// (see [`super::MemberKey`]).
    pub backend: BackendId,
    /// The backend's generation when the session was made.
    pub generation: u32,
    /// When it was made.
    pub created: Tick,
    /// The last traffic of any of its connections.
    pub seen: Tick,
    /// Connections made under it, about.
    pub connections: u64,
    /// Its client was served elsewhere, or refused, the last time it came.
    pub away: bool,
}

impl Pin {
    /// A session that begins now.
    #[inline(always)]
    pub const fn new(backend: BackendId, generation: u32, now: Tick) -> Self {
        Self { backend, generation, created: now, seen: now, connections: 1, away: false }
    }

    /// From a map value: the words of a [`Session`].
    #[inline(always)]
    pub const fn from_words([home, times, connections]: [u64; 3]) -> Self {
        Self {
            backend: BackendId(home as u32 & BackendId::MAX),
            generation: (home >> 32) as u32,
            created: Tick(times as u32),
            seen: Tick((times >> 32) as u32),
            connections,
            away: home & Session::AWAY != 0,
        }
    }

    #[inline(always)]
    const fn home(&self) -> u64 {
        let away = if self.away { Session::AWAY } else { 0 };
        self.backend.0 as u64 | away | (self.generation as u64) << 32
    }

    #[inline(always)]
    const fn times(&self) -> u64 {
        self.created.0 as u64 | (self.seen.0 as u64) << 32
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
            home: Word::new(pin.home()),
            times: Word::new(pin.times()),
            connections: Word::new(pin.connections),
        }
    }
}

// Whoever changes a session claims the word that decides, with what was read before: of several packets of a
// client that come at the same moment one changes it, and counts that.
impl Session {
    /// In `home`: [`Pin::away`].
    const AWAY: u64 = 1 << 31;

    /// Its words, each of this moment.
    pub fn words(&self) -> [u64; 3] {
        [self.home.load(), self.times.load(), self.connections.load()]
    }

    /// The content of this moment. The words may be of different moments: a session that is
    /// moved in between is read with the old times, which the next packet mends.
    #[inline(always)]
    pub fn load(&self) -> Pin {
        Pin::from_words([self.home.load(), self.times.load(), self.connections.load()])
    }

    /// Slides the idle timeout.
    #[inline(always)]
    pub fn touch(&self, seen: &Pin, now: Tick) {
        // Lost to another CPU, that has done as much.
        let _lost = self.times.claim(seen.times(), Pin { seen: now, ..*seen }.times());
    }

    /// Counts a connection.
    #[inline(always)]
    pub fn count(&self) {
        self.connections.store(self.connections.load().wrapping_add(1));
    }

    /// Notes that its client is served elsewhere for now, or refused; true if that is new.
    #[inline(always)]
    pub fn leave(&self, seen: &Pin) -> bool {
        !seen.away && self.home.claim(seen.home(), Pin { away: true, ..*seen }.home())
    }

    /// Notes that its client is back.
    #[inline(always)]
    pub fn come_back(&self, seen: &Pin) {
        if seen.away {
            // Lost to another CPU, that has done as much.
            let _lost = self.home.claim(seen.home(), Pin { away: false, ..*seen }.home());
        }
    }

    /// Gives it another home, unless that was done since it was `seen`; true if so.
    #[inline(always)]
    pub fn rehome(&self, seen: &Pin, fresh: &Pin) -> bool {
        self.home.claim(seen.home(), fresh.home())
    }

    /// Replaces it by another that begins with `fresh`, unless that was done since it was `seen`; true if so.
    #[inline(always)]
    pub fn renew(&self, seen: &Pin, fresh: &Pin) -> bool {
        // The times decide, as the home may stay the same.
        let won = self.times.claim(seen.times(), fresh.times());
        if won {
            self.home.store(fresh.home());
            self.connections.store(fresh.connections);
        }
        won
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: Pin = Pin { created: Tick(10), seen: Tick(100), ..Pin::new(BackendId(1), 1, Tick(0)) };

    #[test]
    fn timeouts() {
        assert!(!PIN.expired(Tick(130), 30, 0));
        assert!(PIN.expired(Tick(131), 30, 0));
        assert!(PIN.expired(Tick(131), 300, 120));
        assert!(!PIN.expired(Tick(130), 300, 120));
        let session = Session::from(PIN);
        session.touch(&PIN, Tick(125));
        assert_eq!(session.load(), Pin { seen: Tick(125), ..PIN });
    }

    /// Of two packets that saw the same session, one changes it.
    #[test]
    fn each_change_is_made_once() {
        let other = Pin::new(BackendId(BackendId::MAX), u32::MAX, Tick(200));
        let once = |change: fn(&Session, &Pin, &Pin) -> bool| {
            let session = Session::from(PIN);
            assert!(change(&session, &PIN, &other));
            assert!(!change(&session, &PIN, &other));
            session.load()
        };
        assert_eq!(once(|session, seen, _| session.leave(seen)), Pin { away: true, ..PIN });
        let moved = once(Session::rehome);
        assert_eq!((moved.backend, moved.generation, moved.created), (other.backend, u32::MAX, PIN.created));
        assert_eq!(once(Session::renew), other);
        // Also to the same home.
        let session = Session::from(PIN);
        let again = Pin::new(PIN.backend, PIN.generation, Tick(200));
        assert!(session.renew(&PIN, &again) && !session.renew(&PIN, &again));
    }

    #[test]
    fn who_is_away_comes_back() {
        let session = Session::from(PIN);
        assert!(session.leave(&session.load()));
        assert!(!session.leave(&session.load()));
        session.come_back(&session.load());
        assert!(session.leave(&session.load()));
    }
}
