//! `AUDIT` and `EVENTS`: what became of promises.

use super::{BackendId, Plain, SessionKey, layout};
use crate::{reason::Reason, time::Tick};

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $reason:ident;)+) => {
        /// Why the next connection of a client with a session does not go where it belongs. A column of `AUDIT`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u32)]
        pub enum Cause {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Cause {
            /// Every cause, by column.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in `status`, `events` and `/metrics`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One line for people.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),+ }
            }

            /// What is counted beside it, for all services together.
            #[inline(always)]
            pub const fn reason(self) -> Reason {
                match self { $(Self::$variant => Reason::$reason),+ }
            }
        }
    };
}

causes! {
    /// The session's backend is down; the session moved.
    Down "down" SessionMovedDown;
    /// The session's backend is drained or disabled by an operator; the session moved.
    Drained "drained" SessionMovedDrained;
    /// The session's backend was removed or replaced; the session moved.
    Removed "removed" SessionMovedDown;
    /// The session had been idle for too long.
    Idle "idle" SessionExpired;
    /// The session had come to the end of its lifetime.
    Lifetime "lifetime" SessionExpired;
    /// The session was lost for want of room, and its backend is not there any more.
    Evicted "evicted" SessionEvicted;
    /// The session's backend is down; another serves until it is back.
    Lent "lent" SessionLent;
    /// The session's backend is down; its client is refused until it is back.
    Refused "refused" SessionRefused;
}

/// A service's row in `AUDIT`, of one CPU.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub struct Audit {
    /// New connections of a live session that went where they belong.
    pub kept: u64,
    /// Broken promises, by [`Cause`].
    pub broken: [u64; Cause::ALL.len()],
}
layout!(Audit, size = 72, align = 8);
// SAFETY: integers only, no padding.
unsafe impl Plain for Audit {}

/// A promise that was broken.
// Of words only: two halves that the compiler writes at once must not straddle two of them on the kernel's stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Event {
    /// Whose.
    pub key: SessionKey,
    /// [`super::Service::number`] (low half) and a [`Cause`].
    which: u64,
    /// The backend, or home, of the session (low half), and the one that serves now; none if it is refused.
    backends: u64,
    /// When.
    tick: u64,
}
layout!(Event, size = 48, align = 8);
// SAFETY: integers only, no padding.
unsafe impl Plain for Event {}

impl Event {
    /// A promise of `service` to the client behind `key`, whose session was at `old` and which goes to `new`.
    #[inline(always)]
    pub const fn new(
        key: SessionKey,
        service: u32,
        cause: Cause,
        [old, new]: [BackendId; 2],
        now: Tick,
    ) -> Self {
        Self {
            key,
            which: service as u64 | (cause as u64) << 32,
            backends: old.0 as u64 | (new.0 as u64) << 32,
            tick: now.0 as u64,
        }
    }

    /// The service's number.
    #[inline(always)]
    pub const fn service(&self) -> u32 {
        self.which as u32
    }

    /// The column of its cause in [`Cause::ALL`].
    #[inline(always)]
    pub const fn column(&self) -> usize {
        (self.which >> 32) as usize
    }

    /// The backend, or home, that the session was at, and the one that serves now.
    pub const fn backends(&self) -> [BackendId; 2] {
        [BackendId(self.backends as u32), BackendId((self.backends >> 32) as u32)]
    }

    /// When.
    pub const fn tick(&self) -> Tick {
        Tick(self.tick as u32)
    }
}
