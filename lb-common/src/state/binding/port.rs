//! Who has a source port, apart from the connection itself: a search for a free one sees eight in a cache line.

use super::{Side, Stamp};
use crate::{
    packet::TcpFlags,
    shared::Word,
    state::{Plain, layout},
    time::Tick,
};

/// One source port: free, or a connection's.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Port(Word);
layout!(Port, size = 8, align = 8);
// SAFETY: a shared word; every bit pattern is a stamp.
unsafe impl Plain for Port {}

impl Port {
    /// The stamp of this moment.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp {
        Stamp(self.0.load())
    }

    /// Notes a packet of the connection, and returns the stamp after it. For `number` see [`Stamp::next`].
    #[inline(always)]
    pub fn pass(&self, now: Tick, tcp: TcpFlags, from: Side, number: u32) -> Stamp {
        let mut seen = self.stamp();
        // Both directions may be under way on different CPUs; neither's mark must be lost. A third writer at
        // the same moment is not worth a third try: the next packet repeats what matters.
        for _ in 0..2 {
            let next = seen.next(now, tcp, from, number);
            if next == seen || self.0.claim(seen.0, next.0) {
                return next;
            }
            seen = self.stamp();
        }
        seen
    }

    /// Takes the port for a new connection, whose stamp is `own`, if nothing changed since `seen` was
    /// read; true if this CPU got it and must write the connection ([`super::Binding::write`]).
    #[inline(always)]
    pub fn claim(&self, seen: Stamp, own: Stamp) -> bool {
        self.0.claim(seen.0, own.0)
    }

    /// Ends a connection that can't go on, as a reset would, if nothing changed since `seen` was read;
    /// true if so. The port is free once it has been idle for a few seconds.
    pub fn release(&self, seen: Stamp) -> bool {
        self.0.claim(seen.0, seen.ended().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_claimant_wins() {
        let port = Port::default();
        let seen = port.stamp();
        assert!(port.claim(seen, Stamp::first(Tick(5), TcpFlags::default(), 6)));
        assert!(!port.claim(seen, Stamp::first(Tick(5), TcpFlags::default(), 6)));
    }

    #[test]
    fn a_port_that_was_used_again_is_not_released() {
        let port = Port::default();
        assert!(port.claim(port.stamp(), Stamp::first(Tick(5), TcpFlags(0x02), 6)));
        let seen = port.stamp();
        port.pass(Tick(6), TcpFlags(0x10), Side::Client, 0);
        assert!(!port.release(seen) && !port.stamp().is_free(Tick(11)));
        assert!(port.release(port.stamp()) && port.stamp().is_free(Tick(11)));
    }
}
