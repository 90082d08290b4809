//! Which parts of `SLOTS` are in use.

use anyhow::{Result, bail};

/// Ranges of slots in use; hands out free ones, lowest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// (first, length), in any order.
    used: Vec<(u32, u32)>,
    limit: u32,
}

impl Ranges {
    /// Of a table of `limit` slots, those in `used` (first, length) are taken.
    pub fn new(used: impl IntoIterator<Item = (u32, u32)>, limit: u32) -> Self {
        Self { used: used.into_iter().collect(), limit }
    }

    /// Takes `length` free slots and returns the first.
    ///
    /// # Errors
    /// No gap is that long.
    pub fn take(&mut self, length: u32) -> Result<u32> {
        self.used.sort_unstable();
        let mut base = 0;
        for &(first, used) in &self.used {
            if first >= base + length {
                break;
            }
            base = base.max(first + used);
        }
        if base + length > self.limit {
            bail!(
                "no room for a slot table of {length} in SLOTS, which has {}: raise `slots` in [limits], \
                 to twice the sum of the services' slots or more; that needs a restart with --detach-on-exit",
                self.limit
            );
        }
        self.used.push((base, length));
        Ok(base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_first() {
        let mut ranges = Ranges::new([(0, 10), (30, 10), (14, 2)], 50);
        assert_eq!(ranges.take(4).unwrap(), 10);
        assert_eq!(ranges.take(14).unwrap(), 16);
        assert_eq!(ranges.take(10).unwrap(), 40);
        assert!(ranges.take(1).is_err());
    }
}
