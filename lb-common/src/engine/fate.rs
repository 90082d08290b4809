//! What becomes of a packet, as one word.

use super::Sent;
use crate::{
    frame::Frame,
    reason::{Kind, Reason},
    stage::Step,
    tables::Tables,
    too_big,
};

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Goes on to the local network stack, untouched.
    Pass,
    /// Is dropped.
    Drop,
    /// Leaves by this interface.
    Send {
        /// Interface index.
        ifindex: u32,
    },
}

/// A packet's fate: its reason (high half), and (low half) the interface that it leaves by, or with
/// [`Reason::TooBig`] the bytes that would fit, if its sender may be told.
// A word, and not an enum: the payload of a variant that is not there is undefined, and the compiler moves
// it about through registers that the verifier then finds unset ("R0 !read_ok").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fate(u64);

impl Fate {
    /// Not decided yet: for [`super::rare`].
    pub const RARE: Self = Self(u64::MAX);
    /// Not decided yet: for [`super::fresh`].
    pub const NEW: Self = Self(u64::MAX - 1);

    /// Why.
    #[inline(always)]
    pub const fn reason(self) -> Reason {
        Reason::from_index((self.0 >> 32) as u32)
    }

    /// Was the packet sent on?
    #[inline(always)]
    pub const fn is_sent(self) -> bool {
        self.is_of(const { Reason::all_of(Kind::Forward) })
    }

    /// Is the packet's sender to be told that it is too big?
    #[inline(always)]
    pub const fn wants_answer(self) -> bool {
        (self.0 >> 32) as u32 == Reason::TooBig as u32 && self.low() != 0
    }

    /// Makes the packet the answer that its sender [wants](Fate::wants_answer).
    #[inline(always)]
    #[must_use]
    pub fn answered<F: Frame, T: Tables>(self, frame: &mut F, tables: &T) -> Self {
        too_big::answer(frame, tables, self.low()).into()
    }

    /// Counts the packet, and says what to do with it.
    #[inline(always)]
    pub fn conclude<T: Tables>(self, tables: &T) -> Verdict {
        tables.count(self.reason());
        if self.is_sent() {
            Verdict::Send { ifindex: self.low() }
        } else if self.is_of(const { Reason::all_of(Kind::Drop) }) {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    }

    /// Is the reason one of these bits? The undecided have none: there is room for more reasons than there are.
    #[inline(always)]
    const fn is_of(self, reasons: u64) -> bool {
        reasons >> (self.0 >> 32 & (Reason::ROOM as u64 - 1)) & 1 != 0
    }

    #[inline(always)]
    const fn low(self) -> u32 {
        self.0 as u32
    }
}

impl From<Step<Sent>> for Fate {
    #[inline(always)]
    fn from(step: Step<Sent>) -> Self {
        let (reason, low) = match step {
            Ok(sent) => sent,
            Err(reason) => (reason, 0),
        };
        Self((reason as u64) << 32 | u64::from(low))
    }
}
