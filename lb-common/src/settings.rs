//! What the daemon fixes when it loads the program: hash keys and table geometry.
//!
//! The values live in the program's read-only data. They are read through volatile loads, as the
//! compiler would otherwise fold in the zeros that stand in the object file.

use crate::state::Plain;

/// A 32-bit constant that is set at load time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Fixed(u32);

impl Fixed {
    /// The constant's value.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// Its value as loaded.
    #[inline(always)]
    pub fn get(&self) -> u32 {
        // SAFETY: the pointer is a live reference's.
        unsafe { core::ptr::read_volatile(&raw const self.0) }
    }
}

/// Number of 32-bit words in the hash key.
pub const KEY_WORDS: usize = 12;

/// Everything that is fixed at load time. Plain `u32`s only, so it has no padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// Key of every hash (see [`crate::hash`]); the same on each node.
    pub key: [Fixed; KEY_WORDS],
    /// Number of `FLOWS` buckets less one; the number is a power of two.
    pub bucket_mask: Fixed,
    /// Number of port ranges in `BINDINGS` less one; the number is a power of two.
    pub lane_mask: Fixed,
    /// First port of the source-port range, host order.
    pub port_first: Fixed,
    /// Ports in the range.
    pub port_count: Fixed,
    /// Number of `FRAGMENTS` buckets less one; the number is a power of two.
    pub fragment_mask: Fixed,
    /// Number of `GHOSTS`, and of words in a half of `STRANGERS`, less one; the number is a power of two.
    pub ghost_mask: Fixed,
    /// New connections that a CPU stores in a tick.
    pub new_flows: Fixed,
    /// New pins of clients that can't be verified, for each CPU and tick.
    pub new_pins: Fixed,
}

// SAFETY: `repr(C)`, and made of `u32`s only.
unsafe impl Plain for Settings {}

impl Settings {
    /// What stands in the object file.
    pub const ZERO: Self = Self {
        key: [Fixed(0); KEY_WORDS],
        bucket_mask: Fixed(0),
        lane_mask: Fixed(0),
        port_first: Fixed(0),
        port_count: Fixed(0),
        fragment_mask: Fixed(0),
        ghost_mask: Fixed(0),
        new_flows: Fixed(0),
        new_pins: Fixed(0),
    };

    /// Fills in the daemon's choices; nothing is limited. `buckets`, `lanes` and `fragments` must be powers of two.
    pub fn new(key: [u32; KEY_WORDS], buckets: u32, lanes: u32, ports: (u16, u16), fragments: u32) -> Self {
        debug_assert!(buckets.is_power_of_two() && lanes.is_power_of_two() && ports.0 <= ports.1);
        debug_assert!(fragments.is_power_of_two());
        Self {
            key: key.map(Fixed::new),
            bucket_mask: Fixed::new(buckets - 1),
            lane_mask: Fixed::new(lanes - 1),
            port_first: Fixed::new(u32::from(ports.0)),
            port_count: Fixed::new(u32::from(ports.1 - ports.0) + 1),
            fragment_mask: Fixed::new(fragments - 1),
            ghost_mask: Fixed::new(0),
            new_flows: Fixed::new(u32::MAX),
            new_pins: Fixed::new(u32::MAX),
        }
    }

    /// With room for so many ghosts, a power of two.
    #[must_use]
    pub const fn haunted(self, ghosts: u32) -> Self {
        Self { ghost_mask: Fixed::new(ghosts - 1), ..self }
    }

    /// With limits for each CPU and tick.
    #[must_use]
    pub const fn limited(self, new_flows: u32, new_pins: u32) -> Self {
        Self { new_flows: Fixed::new(new_flows), new_pins: Fixed::new(new_pins), ..self }
    }

    /// True if both place their entries alike: the tables of one can be used with the other.
    pub fn fits(&self, other: &Self) -> bool {
        self.limited(0, 0) == other.limited(0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_may_differ_where_tables_are_shared() {
        let settings = Settings::new([7; KEY_WORDS], 16, 1, (1024, 2047), 1);
        assert!(settings.limited(1, 2).fits(&settings));
        assert!(!settings.limited(1, 2).fits(&Settings::new([7; KEY_WORDS], 16, 1, (1024, 2048), 1)));
    }
}
