//! A connection, as far as the rules speak of it.

use lb_common::time::Tick;

use super::fleet::Life;
use crate::promises::event::Flag;

/// How much is known of a client by a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Known {
    /// It has ended.
    Over,
    /// One packet.
    Once,
    /// It came again.
    Again,
    /// It has received what its backend sent; where answers take another way, it spoke in two ticks.
    Proven,
}

/// What a packet means for the client's session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    /// Nothing.
    None,
    /// There is traffic.
    Traffic,
    /// The same, of a proven client.
    Proof,
}

/// A connection that was let in.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Whose it is.
    pub backend: Life,
    /// Its last segment as the backend had it.
    pub delivered: Vec<u8>,
    /// The tick of its last packet.
    last: Tick,
    known: Known,
    /// Answers don't pass here.
    is_direct: bool,
    is_answered: bool,
    has_returned: bool,
    client_ended: bool,
    backend_ended: bool,
    is_reset: bool,
}

impl Connection {
    /// One that begins with this segment.
    pub fn new(backend: Life, is_direct: bool, flag: Flag, now: Tick, delivered: Vec<u8>) -> Self {
        let is_over = matches!(flag, Flag::Fin | Flag::Rst);
        Self {
            backend,
            delivered,
            last: now,
            known: if is_over { Known::Over } else { Known::Once },
            is_direct,
            is_answered: false,
            has_returned: false,
            client_ended: flag == Flag::Fin,
            backend_ended: false,
            is_reset: flag == Flag::Rst,
        }
    }

    /// Does a client's segment begin another in its place?
    pub fn ends_with(&self, flag: Flag) -> bool {
        flag == Flag::Syn
            && !self.asks_again()
            && (self.known == Known::Over || !self.is_direct && (self.client_ended || self.is_over()))
    }

    /// Did the client refuse the backend's first answer? Then its SYN comes again.
    const fn asks_again(&self) -> bool {
        let has_ended = self.client_ended || self.backend_ended;
        !self.is_direct && self.is_answered && self.is_reset && !self.has_returned && !has_ended
    }

    /// Has one side broken it off? Then nobody speaks any more.
    pub const fn is_reset(&self) -> bool {
        self.is_reset
    }

    /// Do its answers pass here, and is there something to answer?
    pub const fn can_be_answered(&self) -> bool {
        !self.is_direct && !self.is_reset
    }

    const fn is_over(&self) -> bool {
        self.is_reset || self.client_ended && self.backend_ended
    }

    /// The backend answers.
    pub fn answered(&mut self, flag: Flag) {
        match flag {
            Flag::Rst => (self.is_reset, self.is_answered) = (true, false),
            _ => self.is_answered = true,
        }
        self.backend_ended |= flag == Flag::Fin;
    }

    /// Another segment of the client. A session hears of it when the client comes again, when it is proven, and
    /// otherwise once in a tick; of its end, and of what comes after that, nothing.
    pub fn passed(&mut self, flag: Flag, now: Tick) -> News {
        let (before, is_later) = (self.known, now != self.last);
        if flag == Flag::Syn && self.asks_again() {
            (self.is_reset, self.is_answered) = (false, false);
        }
        self.client_ended |= flag == Flag::Fin;
        self.is_reset |= flag == Flag::Rst;
        // A SYN again is no sign of life, and a bare RST acknowledges nothing.
        self.has_returned |= self.is_answered && !matches!(flag, Flag::Syn | Flag::Rst);
        let (is_over, is_proven) = if self.is_direct {
            (before == Known::Over || self.client_ended || self.is_reset, is_later && flag != Flag::Syn)
        } else {
            (self.is_over(), self.has_returned && !self.is_reset)
        };
        self.known = match before {
            _ if is_over => Known::Over,
            Known::Over | Known::Once if flag == Flag::Syn => Known::Once,
            before => before.max(if is_proven { Known::Proven } else { Known::Again }),
        };
        self.last = now;
        if self.known == Known::Over || !is_later && self.known <= before.max(Known::Once) {
            News::None
        } else if self.known == Known::Proven {
            News::Proof
        } else {
            News::Traffic
        }
    }
}
