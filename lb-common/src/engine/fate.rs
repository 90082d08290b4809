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

/// A packet's fate: its reason (high half), which says what kind of fate that is, and (low half) the interface
/// that it leaves by, or with [`Reason::TooBig`] the bytes that would fit, if its sender may be told.
// A word, and not an enum: the payload of a variant that is not there is undefined, and the compiler moves
// it about through registers that the verifier then finds unset ("R0 !read_ok").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fate(u64);

impl Fate {
    /// Not decided yet: for [`super::rare`].
    pub const RARE: Self = Self(u64::MAX);
    /// Not decided yet: for [`super::fresh`].
    pub const NEW: Self = Self(u64::MAX - 1);

    /// From the number that [`Fate::raw`] gives.
    #[inline(always)]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The word.
    #[inline(always)]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Why.
    #[inline(always)]
    pub const fn reason(self) -> Reason {
        Reason::from_index((self.0 >> 32) as u32)
    }

    /// Was the packet sent on?
    #[inline(always)]
    pub const fn is_sent(self) -> bool {
        self.0 != Self::NEW.0 && self.0 != Self::RARE.0 && matches!(self.reason().kind(), Kind::Forward)
    }

    /// Counts the packet, and says what to do with it. Where its sender is to be told that it is too big, it
    /// is the answer by then.
    #[inline(always)]
    pub fn conclude<F: Frame, T: Tables>(self, frame: &mut F, tables: &T) -> (Reason, Verdict) {
        let mut fate = self;
        if fate.reason() == Reason::TooBig && fate.low() != 0 {
            fate = too_big::answer(frame, tables, fate.low()).into();
        }
        let reason = fate.reason();
        tables.count(reason);
        let verdict = match reason.kind() {
            Kind::Forward => Verdict::Send { ifindex: fate.low() },
            Kind::Drop => Verdict::Drop,
            Kind::Pass | Kind::Event => Verdict::Pass,
        };
        (reason, verdict)
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
