//! `BINDINGS`: the way back for connections whose replies pass through the balancer.
//!
//! An array. A reply to a source-rewritten connection carries our source port, and together with
//! the lane (a hash of our address and the backend's address and port, see [`crate::hash::lane`])
//! the port *is* the index. Two backends whose lanes differ use the same port at once.
//!
//! Concurrency: a port is claimed by compare-and-swap on its stamp, so that one CPU wins; only the
//! winner writes the other words. A reader that comes in between finds a guard that doesn't fit the
//! words (each word is folded in with its own multiplier) and treats the binding as absent.

use super::{BackendId, Plain, layout};
use crate::{
    net::{Be16, Ip, Mac, protocol::UDP},
    packet::TcpFlags,
    shared::Word,
    time::Tick,
};

/// One source port: free, or bound to a connection. One cache line.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Binding {
    /// A [`Stamp`].
    stamp: Word,
    /// The connection, see [`Bound`].
    words: [Word; 6],
    /// Guard over the words.
    guard: Word,
}
layout!(Binding, size = 64, align = 8);
// SAFETY: eight shared words; every bit pattern is an entry, valid or not.
unsafe impl Plain for Binding {}

/// The connection behind a source port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The client's address.
    pub client: Ip,
    /// The client's port.
    pub client_port: Be16,
    /// The service's port that the client called.
    pub called: Be16,
    /// Transport protocol.
    pub protocol: u8,
    /// The backend.
    pub backend: BackendId,
    /// Index in `SOURCES` of our address in it; 0 where the client's address is kept.
    pub source: u8,
    /// The backend's generation when the connection was made.
    pub generation: u32,
    /// Interface that the client's packets come in by; this and the addresses below are those of the last time that
    /// [`crate::stage::flow`] looked.
    pub ifindex: u32,
    /// Ethernet address that they come from: the last hop.
    pub client_mac: Mac,
    /// Ethernet address that they come to: ours.
    pub local_mac: Mac,
}

/// Which end of a connection a packet comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The client.
    Client,
    /// The backend.
    Backend,
}

/// When a binding was last used (bits 0..32), what has passed over it (32..40), for how long it may
/// therefore be idle (40..43), and the low bits of the number that would acknowledge the last segment of
/// a TCP backend (43..64).
///
/// A client that acknowledges this number has received what the backend sent, so its address is its own.
/// One that forges its address has to guess 21 bits.
// The idle time could be told from what has passed. But the search for a free port looks at many stamps,
// and for each one the verifier would walk every way through that decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp(u64);

/// For how long a binding may be idle: an index into [`Limit::TICKS`].
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
        if tcp.rst() {
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
            // A backend that refuses has not answered: whoever forges addresses gets that far. And once the
            // client has returned, the number has done its work: the word changes no more than it must.
            Side::Backend if !tcp.rst() && self.0 & Self::RETURNED == 0 => {
                bits = bits & !Self::NUMBERS | number | Self::ANSWERED;
            }
            Side::Client | Side::Backend => {}
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

    /// With the idle time that what has passed allows. The times are those of Linux's connection
    /// tracking, or a little longer: over 4 s (the walk over the range comes by last where the port
    /// was freed last, and a backend in TIME_WAIT takes a new SYN), half closed or perhaps reset 2 min,
    /// unanswered 1 min, UDP answered 3 min, TCP opened by one side only 1 min, by both 2 h (the
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

/// Odd random multipliers, one for each word: the products don't wait for each other.
const FOLD: [u64; 6] = [
    0xff51_afd7_ed55_8ccd,
    0xc4ce_b9fe_1a85_ec53,
    0x9e37_79b9_7f4a_7c15,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0xd6e8_feb8_6659_fd93,
];

#[inline(always)]
const fn fold(words: &[u64; 6]) -> u64 {
    let mut sum = 0u64;
    let mut at = 0;
    while at < words.len() {
        sum = sum.wrapping_add(words[at].wrapping_mul(FOLD[at]));
        at += 1;
    }
    // Never zero, so that an all-zero entry is not valid.
    sum | 1
}

impl Bound {
    /// Is it the connection of this client to this backend? Others of the client may have the port: backends
    /// share lanes.
    #[inline(always)]
    pub fn is_of(&self, backend: BackendId, client: Ip, port: Be16) -> bool {
        self.client == client && self.client_port == port && self.backend == backend
    }

    #[inline(always)]
    fn words(&self) -> [u64; 6] {
        let Self {
            client,
            client_port,
            called,
            protocol,
            backend,
            source,
            generation,
            ifindex,
            client_mac,
            local_mac,
        } = *self;
        let [high, low] = client.words();
        [
            high,
            low,
            u64::from(backend.0) | u64::from(generation) << 32,
            u64::from(ifindex)
                | u64::from(protocol) << 32
                | u64::from(source) << 40
                | u64::from(called.raw()) << 48,
            client_mac.raw() | u64::from(client_port.raw()) << 48,
            local_mac.raw(),
        ]
    }

    #[inline(always)]
    fn from_words(words: &[u64; 6]) -> Self {
        let [a, b, c, d, e, f] = *words;
        Self {
            client: Ip::from_words([a, b]),
            client_port: Be16::from_raw((e >> 48) as u16),
            called: Be16::from_raw((d >> 48) as u16),
            protocol: (d >> 32) as u8,
            backend: BackendId(c as u32),
            source: (d >> 40) as u8,
            generation: (c >> 32) as u32,
            ifindex: d as u32,
            client_mac: Mac::from_raw(e),
            local_mac: Mac::from_raw(f),
        }
    }
}

impl Binding {
    /// The stamp of this moment.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.stamp.load())
    }

    /// Notes a packet of the connection, and returns the stamp after it. For `number` see [`Stamp::next`].
    #[inline(always)]
    pub fn pass(&self, now: Tick, tcp: TcpFlags, from: Side, number: u32) -> Stamp {
        let mut seen = self.stamp();
        // Both directions may be under way on different CPUs; neither's mark must be lost. A third writer at
        // the same moment is not worth a third try: the next packet repeats what matters.
        for _ in 0..2 {
            let next = seen.next(now, tcp, from, number);
            if next == seen || self.stamp.claim(seen.0, next.0) {
                return next;
            }
            seen = self.stamp();
        }
        seen
    }

    /// Takes the port for a new connection, whose stamp is `own`, if nothing changed since `seen` was
    /// read; true if this CPU got it and must [`Binding::write`] now.
    #[inline(always)]
    pub fn claim(&self, seen: Stamp, own: Stamp) -> bool {
        self.stamp.claim(seen.0, own.0)
    }

    /// Ends a connection that can't go on, as a reset would, if nothing changed since `seen` was read;
    /// true if so. The port is free once it has been idle for a few seconds.
    pub fn release(&self, seen: Stamp) -> bool {
        self.stamp.claim(seen.0, Stamp(seen.0 | Stamp::RESET).limited().0)
    }

    /// Writes the connection. Only after a successful [`Binding::claim`].
    #[inline(always)]
    pub fn write(&self, bound: &Bound) {
        let words = bound.words();
        // Until all is written there is no connection here, also not the old one.
        self.guard.store(0);
        for (cell, word) in self.words.iter().zip(words) {
            cell.store(word);
        }
        self.guard.store(fold(&words));
    }

    /// Replaces what was read as `old`, unless another CPU is replacing it.
    #[inline(always)]
    pub fn replace(&self, old: &Bound, new: &Bound) {
        if self.guard.claim(fold(&old.words()), 0) {
            self.write(new);
        }
    }

    /// The connection, unless none was written or one is being written.
    #[inline(always)]
    pub fn read(&self) -> Option<Bound> {
        let [a, b, c, d, e, f] = &self.words;
        let words = [a.load(), b.load(), c.load(), d.load(), e.load(), f.load()];
        (self.guard.load() == fold(&words)).then(|| Bound::from_words(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the backend's segment is acknowledged with.
    const NUMBER: u32 = 0xfff0_1234;

    fn bound(n: u8) -> Bound {
        Bound {
            client: Ip::from_bytes([n; 16]),
            client_port: Be16::new(1000 + u16::from(n)),
            called: Be16::new(80 + u16::from(n)),
            protocol: 6,
            backend: BackendId(u32::from(n)),
            source: n,
            generation: 3,
            ifindex: 9,
            client_mac: Mac::from_bytes([n; 6]),
            local_mac: Mac::from_bytes([2; 6]),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let binding = Binding::default();
        assert_eq!(binding.read(), None);
        binding.write(&bound(5));
        assert_eq!(binding.read(), Some(bound(5)));
    }

    #[test]
    fn only_what_was_read_is_replaced() {
        let binding = Binding::default();
        binding.write(&bound(5));
        binding.replace(&bound(4), &bound(6));
        assert_eq!(binding.read(), Some(bound(5)));
        binding.replace(&bound(5), &bound(6));
        assert_eq!(binding.read(), Some(bound(6)));
    }

    #[test]
    fn any_mixture_of_two_connections_is_refused() {
        let (a, b) = (bound(1).words(), bound(2).words());
        for mixture in 1..63u32 {
            let binding = Binding::default();
            binding.write(&bound(1));
            for at in 0..6 {
                let word = if mixture & (1 << at) != 0 { b[at] } else { a[at] };
                binding.words[at].store(word);
            }
            match binding.read() {
                None => {}
                // The words in which both agree may be anybody's.
                Some(read) => assert_eq!(read, bound(1), "mixture {mixture:06b}"),
            }
        }
    }

    #[test]
    fn one_claimant_wins() {
        let binding = Binding::default();
        let seen = binding.stamp();
        assert!(binding.claim(seen, Stamp::first(Tick(5), TcpFlags::default(), 6)));
        assert!(!binding.claim(seen, Stamp::first(Tick(5), TcpFlags::default(), 6)));
    }

    #[test]
    fn a_port_that_was_used_again_is_not_released() {
        let binding = Binding::default();
        assert!(binding.claim(binding.stamp(), Stamp::first(Tick(5), TcpFlags(0x02), 6)));
        let seen = binding.stamp();
        binding.pass(Tick(6), TcpFlags(0x10), Side::Client, NUMBER);
        assert!(!binding.release(seen) && !binding.stamp().is_free(Tick(11)));
        assert!(binding.release(binding.stamp()) && binding.stamp().is_free(Tick(11)));
    }

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
        let never = Binding::default().stamp();
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
