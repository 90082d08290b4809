//! `BINDINGS` and `PORTS`: the way back for connections whose replies pass through the balancer, and who has its port.
//!
//! Arrays with the same index. A reply to a source-rewritten connection carries our source port, and together with
//! the lane (a hash of our address and the backend's address and port, see [`crate::hash::lane`])
//! the port *is* the index. Two backends whose lanes differ use the same port at once.
//!
//! Concurrency: a port is claimed by compare-and-swap on its stamp, so that one CPU wins; only the
//! winner writes the binding. A reader that comes in between finds a guard that doesn't fit the
//! words (each word is folded in with its own multiplier) and treats the binding as absent.

mod bound;
mod port;
mod stamp;

pub use self::{
    bound::Bound,
    port::Port,
    stamp::{Side, Stamp},
};

use self::bound::fold;
use super::{Plain, layout};
use crate::shared::Word;

/// The connection behind a source port. One cache line.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Binding {
    /// The connection, see [`Bound`].
    words: [Word; 6],
    /// Guard over the words.
    guard: Word,
    /// Always 0.
    reserved: Word,
}
layout!(Binding, size = 64, align = 8);
// SAFETY: eight shared words; every bit pattern is an entry, valid or not.
unsafe impl Plain for Binding {}

impl Binding {
    /// Writes the connection. Only after its port was claimed ([`Port::claim`]).
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
    use crate::{
        net::{Be16, Ip, Mac},
        state::BackendId,
    };

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
}
