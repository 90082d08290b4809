//! What becomes of a packet, as one word.

use super::Sent;
use crate::{
    reason::{Kind, Reason},
    stage::Step,
    tables::Tables,
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

/// A packet's fate: its reason (high half), which says what kind of fate that is, and the interface that it
/// leaves by (low half).
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

    /// Counts the packet, and says what to do with it.
    #[inline(always)]
    pub fn conclude<T: Tables>(self, tables: &T) -> Verdict {
        tables.count(self.reason());
        match self.reason().kind() {
            Kind::Forward => Verdict::Send { ifindex: self.0 as u32 },
            Kind::Drop => Verdict::Drop,
            Kind::Pass | Kind::Event => Verdict::Pass,
        }
    }
}

impl From<Step<Sent>> for Fate {
    #[inline(always)]
    fn from(step: Step<Sent>) -> Self {
        let (reason, ifindex) = match step {
            Ok(sent) => sent,
            Err(reason) => (reason, 0),
        };
        Self((reason as u64) << 32 | u64::from(ifindex))
    }
}
