//! Least recently used, as the kernel's LRU maps do it: in batches, and roughly.

use std::{collections::HashMap, hash::Hash};

/// A batch is this part of the limit.
const BATCH: usize = 8;

/// Makes room in a map that has more than `limit` entries: those go whose `age` is least. No two may have the same:
/// the order of a hash map is another in each run.
pub fn evict<K: Hash + Eq, V, A: Ord + Copy>(
    map: &mut HashMap<K, V>,
    limit: usize,
    age: impl Fn(&K, &V) -> A,
) {
    if map.len() <= limit {
        return;
    }
    let mut ages: Vec<A> = map.iter().map(|(key, value)| age(key, value)).collect();
    let batch = (limit / BATCH).max(map.len() - limit);
    let (_, &mut first_kept, _) = ages.select_nth_unstable(batch);
    map.retain(|key, value| age(key, value) >= first_kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go() {
        let mut map: HashMap<u32, u32> = (0..80).map(|n| (n, 100 - n)).collect();
        evict(&mut map, 80, |_, &age| age);
        assert_eq!(map.len(), 80);
        map.insert(80, 0);
        evict(&mut map, 80, |_, &age| age);
        assert_eq!(map.len(), 71);
        assert!(map.values().all(|&age| age > 29), "{map:?}");
    }
}
