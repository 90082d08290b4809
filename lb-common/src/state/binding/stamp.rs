//! Who may have a port: when its connection was last used, and what has passed over it.

use crate::{net::protocol::UDP, packet::TcpFlags, time::Tick};

/// Which end of a connection a packet comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The client.
    Client,
    /// The backend.
    Backend,
}

/// When a port was last used (bits 0..32), what has passed over it (32..40), for how long it may
/// therefore be idle (40..43), and the low bits of the number that would acknowledge the last segment of
/// a TCP backend (43..64).
///
/// A client that acknowledges this number has received what the backend sent, so its address is its own.
/// One that forges its address has to guess 21 bits.
// The idle time could be told from what has passed. But the search for a free port looks at many stamps,
// and for each one the verifier would walk every way through that decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp(pub(super) u64);

/// For how long a port may be idle: an index into [`Limit::TICKS`].
#[derive(Clone, Copy)]
#[repr(u64)]
enum Limit {
    Over = 1,
    Unproven = 2,
    Closing = 3,
    Datagrams = 4,
    Open = 5,
}

impl Limit {
    /// Twelve bits for each, in units of two ticks, the first one's on top: that of a port nobody ever had.
    const TICKS: u64 = 2 << 48 | 30 << 36 | 56 << 24 | 85 << 12 | 3_400;

    #[inline(always)]
    const fn ticks(index: u64) -> u32 {
        let shift = 60u32.wrapping_sub(12 * index as u32);
        (Self::TICKS.wrapping_shr(shift) & 0xfff) as u32 * 2
    }
}

impl Stamp {
    const TAKEN: u64 = 1 << 32;
    const UDP: u64 = 1 << 33;
    const ANSWERED: u64 = 1 << 34;
    const CLIENT_FIN: u64 = 1 << 35;
    const BACKEND_FIN: u64 = 1 << 36;
    const FINS: u64 = Self::CLIENT_FIN | Self::BACKEND_FIN;
    const RESET: u64 = 1 << 37;
    /// Somebody spoke after a reset, so that may have been forged.
    const DOUBT: u64 = 1 << 38;
    /// The client spoke after the backend had; in TCP it acknowledged what that had said.
    const RETURNED: u64 = 1 << 39;
    const LIMIT: u32 = 40;
    const LIMITS: u64 = 7 << Self::LIMIT;
    const NUMBER: u32 = 43;
    const NUMBERS: u64 = !0 << Self::NUMBER;

    /// The stamp of a connection's first packet.
    #[inline(always)]
    pub const fn first(now: Tick, tcp: TcpFlags, protocol: u8) -> Self {
        let taken = Self(Self::TAKEN | if protocol == UDP { Self::UDP } else { 0 }).limited();
        taken.next(now, tcp, Side::Client, 0)
    }

    /// The stamp after another packet with these flags. `number` is the one that a client's segment
    /// acknowledges, or that a backend's is acknowledged with ([`crate::packet::Packet::end`]).
    #[inline(always)]
    #[must_use]
    pub const fn next(self, now: Tick, tcp: TcpFlags, from: Side, number: u32) -> Self {
        let number = (number as u64) << Self::NUMBER;
        let mut bits = self.0;
        if tcp.opens() && self.is_asked_again() {
            bits &= !(Self::RESET | Self::DOUBT | Self::ANSWERED | Self::NUMBERS);
        } else if tcp.rst() {
            bits |= Self::RESET;
        } else if self.0 & Self::RESET != 0 {
            bits |= Self::DOUBT;
        }
        match from {
            Side::Client
                if self.0 & Self::ANSWERED != 0
                    && !tcp.opens()
                    && (self.0 & Self::UDP != 0 || self.0 & Self::NUMBERS == number) =>
            {
                bits |= Self::RETURNED;
            }
            // Once the client has returned, the number has done its work: the word changes no more than it must.
            Side::Backend if self.0 & Self::RETURNED != 0 => {}
            Side::Client => {}
            // A backend that refuses has not answered: whoever forges addresses gets that far.
            Side::Backend if tcp.rst() => bits &= !Self::ANSWERED,
            Side::Backend => bits = bits & !Self::NUMBERS | number | Self::ANSWERED,
        }
        if tcp.fin() {
            bits |= if let Side::Client = from { Self::CLIENT_FIN } else { Self::BACKEND_FIN };
        }
        let next = Self(bits).used(now);
        if bits == self.0 { next } else { next.limited() }
    }

    /// The same, last used at another time.
    #[inline(always)]
    #[must_use]
    pub const fn used(self, now: Tick) -> Self {
        Self(self.0 & !0xffff_ffff | now.0 as u64)
    }

    /// The stamp of a connection that can't go on, as a reset would leave it.
    pub(super) const fn ended(self) -> Self {
        Self(self.0 | Self::RESET).limited()
    }

    /// With the idle time that what has passed allows. The times are those of Linux's connection
    /// tracking, or a little longer: over 4 s (the walk over the range comes by last where the port
    /// was freed last; a backend in TIME_WAIT takes a newer SYN, and has an older one sent again), half closed or
    /// perhaps reset 2 min, unanswered 1 min, UDP answered 3 min, TCP opened by one side only 1 min, by both 2 h (the
    /// kernel's keepalive time).
    #[inline(always)]
    const fn limited(self) -> Self {
        let limit = if self.is_over() {
            Limit::Over
        } else if self.0 & (Self::FINS | Self::RESET) != 0 {
            Limit::Closing
        } else if self.0 & Self::ANSWERED == 0 {
            Limit::Unproven
        } else if self.0 & Self::UDP != 0 {
            Limit::Datagrams
        } else if self.0 & Self::RETURNED == 0 {
            Limit::Unproven
        } else {
            Limit::Open
        };
        Self(self.0 & !Self::LIMITS | (limit as u64) << Self::LIMIT)
    }

    /// The last use.
    #[inline(always)]
    pub const fn seen(self) -> Tick {
        Tick(self.0 as u32)
    }

    /// False if no connection ever had the port.
    #[inline(always)]
    pub const fn is_taken(self) -> bool {
        self.0 & Self::TAKEN != 0
    }

    /// Is it held by a client that may have forged its address? Then another may have the port if none is
    /// free.
    #[inline(always)]
    pub const fn is_strangers(self) -> bool {
        self.0 & (Self::TAKEN | Self::RETURNED) == Self::TAKEN
    }

    /// Has the client answered the backend, and did neither side refuse?
    #[inline(always)]
    pub const fn is_proven(self) -> bool {
        self.0 & (Self::RETURNED | Self::RESET) == Self::RETURNED
    }

    /// Does a SYN of the client begin another connection? It does after its own FIN, too.
    #[inline(always)]
    pub const fn is_left(self) -> bool {
        self.is_over() || self.0 & Self::CLIENT_FIN != 0
    }

    /// Did the client refuse the first answer, so that a SYN asks once more for the same connection? The backend may
    /// have answered for an older one from the same port, which that reset has ended (RFC 9293, 3.10.7.3).
    #[inline(always)]
    pub const fn is_asked_again(self) -> bool {
        self.0 & (Self::ANSWERED | Self::RESET | Self::RETURNED | Self::FINS) == Self::ANSWERED | Self::RESET
    }

    /// Is the connection over: reset, or finished by both sides?
    #[inline(always)]
    pub const fn is_over(self) -> bool {
        self.0 & (Self::RESET | Self::DOUBT) == Self::RESET || self.0 & Self::FINS == Self::FINS
    }

    /// May the port be given to another connection? Once it has been idle for longer than what has
    /// passed allows; a port that nobody ever had is free from the first tick after boot on.
    #[inline(always)]
    pub const fn is_free(self, now: Tick) -> bool {
        now.since(self.seen()) > Limit::ticks((self.0 & Self::LIMITS) >> Self::LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the backend's segment is acknowledged with.
    const NUMBER: u32 = 0xfff0_1234;

    #[test]
    fn a_client_is_proven_by_the_number_that_it_acknowledges() {
        let (at, syn, ack) = (Tick(1_000), TcpFlags(0x02), TcpFlags(0x10));
        let asked = Stamp::first(at, syn, 6);
        assert!(!asked.next(at, ack, Side::Client, 0).is_proven(), "before there was an answer");
        let answered = asked.next(at, TcpFlags(0x12), Side::Backend, NUMBER);
        for guess in [0, 1, NUMBER - 1, NUMBER + 1, NUMBER ^ 1 << 20] {
            let forged = answered.next(at, ack, Side::Client, guess);
            assert!(!forged.is_proven() && forged.is_strangers(), "{guess:#x}");
            assert!(forged.next(at, ack, Side::Client, NUMBER).is_proven(), "after {guess:#x}");
        }
        assert!(!answered.next(at, syn, Side::Client, NUMBER).is_proven());
        let proven = answered.next(at, ack, Side::Client, NUMBER);
        assert!(proven.is_proven() && !proven.is_strangers());
        // What comes later changes nothing, and the word stays as it is.
        assert_eq!(proven.next(at, ack, Side::Backend, 1), proven);
        assert_eq!(proven.next(at, ack, Side::Client, 2), proven);
        // A connection taken up in the middle: the backend's last word counts.
        let later = answered.next(at, ack, Side::Backend, 77);
        assert!(!later.next(at, ack, Side::Client, NUMBER).is_proven());
        assert!(later.next(at, ack, Side::Client, 77).is_proven());
    }

    #[test]
    fn a_port_that_nobody_ever_had_is_nobodys() {
        let never = Stamp::default();
        assert!(never.is_free(Tick(1)) && !never.is_strangers() && !never.is_proven());
        assert!(!Stamp::first(Tick(1), TcpFlags(0x02), 6).is_free(Tick(1)));
    }

    #[test]
    fn a_port_is_free_when_its_connection_can_be_forgotten() {
        let flags = |bits| TcpFlags(bits);
        let (none, fin, rst) = (flags(0x10), flags(0x11), flags(0x04));
        let at = Tick(1_000);
        let free_after = |stamp: Stamp| (0..).find(|&idle| stamp.is_free(Tick(at.0 + idle))).unwrap();
        let asked = Stamp::first(at, none, 6);
        let answered = asked.next(at, none, Side::Backend, NUMBER);
        let open = answered.next(at, none, Side::Client, NUMBER);
        assert_eq!(free_after(asked), 61);
        assert_eq!(free_after(answered), 61, "half open: a forged SYN gets that far");
        assert_eq!(free_after(open), 6_801);
        assert_eq!(free_after(open.next(at, fin, Side::Client, NUMBER)), 113);
        assert_eq!(
            free_after(open.next(at, fin, Side::Client, NUMBER).next(at, none, Side::Backend, NUMBER)),
            113
        );
        assert_eq!(
            free_after(open.next(at, fin, Side::Client, NUMBER).next(at, fin, Side::Backend, NUMBER)),
            5
        );
        assert_eq!(free_after(open.next(at, rst, Side::Backend, NUMBER)), 5);
        assert_eq!(
            free_after(open.next(at, rst, Side::Client, NUMBER).next(at, none, Side::Client, NUMBER)),
            113,
            "forged?"
        );
        assert!(open.is_proven() && !answered.is_proven());
        assert!(!open.next(at, rst, Side::Backend, NUMBER).is_proven(), "refused");
        let refused = answered.next(at, rst, Side::Client, 0);
        assert!(refused.is_over() && refused.is_asked_again(), "its SYN comes again");
        assert_eq!(refused.next(at, flags(0x02), Side::Client, 0), asked);
        assert!(!asked.next(at, rst, Side::Backend, NUMBER).is_asked_again(), "the backend refused");
        assert!(!open.next(at, rst, Side::Client, NUMBER).is_asked_again(), "it was open");
        let guessed = asked.next(at, rst, Side::Backend, NUMBER).next(at, none, Side::Client, NUMBER);
        assert!(!guessed.is_proven() && free_after(guessed) == 113);
        assert!(
            open.next(at, fin, Side::Client, NUMBER).is_left()
                && !open.next(at, fin, Side::Backend, NUMBER).is_left()
        );
        assert_eq!(
            free_after(Stamp::first(at, flags(0), UDP).next(at, flags(0), Side::Backend, NUMBER)),
            171
        );
    }
}
