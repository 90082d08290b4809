//! Where slot tables go in `SLOTS`.
//!
//! A table that changes is written beside the one in use, so each service needs a spare place, now and
//! after every change. Nothing is set aside for that: each plan finds a spare place for *every* service
//! among the gaps, and those whose table changes move there. What a service leaves is its next spare
//! place, so a change of health or weights always finds room, in whatever order services move. Lengths
//! are powers of two; filling gaps with the longest first then finds a place for all wherever that is
//! possible, as shorter ones can always fill exactly the room of a longer one.

use std::{cmp::Reverse, collections::BTreeMap};

use anyhow::{Context as _, Result};
use lb_common::state::ServiceKey;

/// Places beside the tables in use.
#[derive(Debug, Default)]
pub(super) struct Places(BTreeMap<ServiceKey, u32>);

impl Places {
    /// Of `limit` slots, those in `used` (first, length) are taken; `tables` (whose, length) are to be
    /// placed in the rest. One that finds no place has none.
    pub(super) fn find(
        used: impl IntoIterator<Item = (u32, u32)>,
        limit: u32,
        tables: impl IntoIterator<Item = (ServiceKey, u32)>,
    ) -> Self {
        let mut gaps = gaps(used, limit);
        let mut tables: Vec<_> = tables.into_iter().collect();
        tables.sort_unstable_by_key(|&(key, length)| (Reverse(length), key));
        let mut places = Self::default();
        for (key, length) in tables {
            let Some(at) = gaps.iter().position(|&(_, room)| room >= length) else { continue };
            let (first, room) = &mut gaps[at];
            places.0.insert(key, *first);
            (*first, *room) = (*first + length, *room - length);
            if *room == 0 {
                gaps.remove(at);
            }
        }
        places
    }

    /// The first slot for the table of service `key`, of `length` slots.
    ///
    /// # Errors
    /// It found no place.
    pub(super) fn of(&self, key: &ServiceKey, length: u32) -> Result<u32> {
        self.0.get(key).copied().with_context(|| {
            format!(
                "no room for a slot table of {length} in SLOTS: raise `slots` in [limits] beyond twice the \
                 sum of the services' slots; that needs a restart with --detach-on-exit"
            )
        })
    }
}

/// What `used` leaves of `limit` slots, as (first, length).
fn gaps(used: impl IntoIterator<Item = (u32, u32)>, limit: u32) -> Vec<(u32, u32)> {
    let mut used: Vec<_> = used.into_iter().collect();
    used.sort_unstable();
    let mut gaps = Vec::new();
    let mut end = 0;
    for (first, length) in used.into_iter().chain([(limit, 0)]) {
        if first > end {
            gaps.push((end, first - end));
        }
        end = end.max(first + length);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use lb_common::net::{Be16, Ip};

    use super::*;

    fn key(port: u16) -> ServiceKey {
        ServiceKey::new(Ip::default(), Be16::new(port), 6)
    }

    #[test]
    fn gaps_are_what_is_left() {
        assert_eq!(gaps([(30, 10), (0, 10), (14, 2)], 50), [(10, 4), (16, 14), (40, 10)]);
        assert_eq!(gaps([], 8), [(0, 8)]);
        assert_eq!(gaps([(0, 8)], 8), []);
    }

    #[test]
    fn the_longest_goes_first_and_one_without_room_has_none() {
        let places = Places::find([(4, 4)], 12, [(key(1), 2), (key(2), 4), (key(3), 2), (key(4), 8)]);
        assert!(places.of(&key(4), 8).unwrap_err().to_string().contains("`slots` in [limits]"));
        let of = |port| places.of(&key(port), 0).unwrap();
        assert_eq!((of(2), of(1), of(3)), (0, 8, 10));
    }
}
