//! `TUNNELS` and `ANSWERS`: what packets to tunnelled backends are wrapped in, and how many may be answered
//! instead because they don't fit.

use super::{Plain, layout};
use crate::{
    net::{Be16, Ip},
    time::Tick,
};

/// The outer header of one family, as far as it is the same for all packets: an entry of `TUNNELS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Tunnel {
    /// The outer source address; the bits of `spread` are 0 in it.
    pub source: Ip,
    /// Bits of the address's second word (see [`Ip::words`]) that each flow fills with its own entropy.
    pub spread: u64,
    /// Bytes of the largest outer packet.
    pub mtu: u32,
    /// UDP port that GUE goes to.
    pub gue_port: Be16,
    /// Always 0.
    pub reserved: u16,
}
layout!(Tunnel, size = 32, align = 8);
// SAFETY: integers only; their sizes add up to 32, so there is no padding.
unsafe impl Plain for Tunnel {}

impl Tunnel {
    /// Number of entries: one for each outer family.
    pub const COUNT: u32 = 2;

    /// Index of the entry for an outer family.
    #[inline(always)]
    pub const fn index(ipv6: bool) -> u32 {
        ipv6 as u32
    }

    /// The outer source address of a flow. Its entropy is in the last bits, so that it reaches every length
    /// of prefix.
    #[inline(always)]
    pub const fn source(&self, entropy: u32) -> Ip {
        let [high, low] = self.source.words();
        Ip::from_words([high, low | ((entropy as u64).to_be() & self.spread)])
    }
}

/// How often a CPU has answered in the current tick. Each CPU has its own: nothing is shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Meter {
    /// The tick that the count is of.
    pub tick: Tick,
    count: u32,
}
layout!(Meter, size = 8, align = 4);
// SAFETY: two integers.
unsafe impl Plain for Meter {}

impl Meter {
    /// Answers a CPU may send in a tick (1.07 s): as many as Linux sends ICMP errors in a second
    /// (`icmp_msgs_per_sec`). A flood of packets that don't fit must not become a flood of answers.
    pub const MOST: u32 = 1000;

    /// Counts one more; false if there were too many already.
    #[inline(always)]
    pub fn take(&mut self, now: Tick) -> bool {
        if self.tick != now {
            *self = Self { tick: now, count: 0 };
        }
        if self.count >= Self::MOST {
            return false;
        }
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn source(prefix: &str, spread: u64, entropy: u32) -> String {
        let address: IpAddr = prefix.parse().unwrap();
        let tunnel = Tunnel { source: address.into(), spread: spread.to_be(), ..Tunnel::default() };
        IpAddr::from(tunnel.source(entropy)).to_string()
    }

    #[test]
    fn entropy_fills_host_bits_and_no_others() {
        assert_eq!(source("10.0.0.1", 0, 0xab_cdef), "10.0.0.1");
        assert_eq!(source("10.9.0.0", 0xffff, 0xab_cdef), "10.9.205.239");
        assert_eq!(source("10.0.0.0", 0xff_ffff, 0xab_cdef), "10.171.205.239");
        assert_eq!(source("2001:db8::", u64::MAX, 0xab_cdef), "2001:db8::ab:cdef");
        assert_eq!(source("2001:db8::7700", 0xff, 0xab_cdef), "2001:db8::77ef");
    }

    #[test]
    fn a_meter_counts_within_its_tick() {
        let mut meter = Meter::default();
        for tick in [Tick(7), Tick(8)] {
            assert_eq!((0..2 * Meter::MOST).filter(|_| meter.take(tick)).count(), Meter::MOST as usize);
        }
    }
}
