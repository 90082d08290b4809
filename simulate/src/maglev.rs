//! Maglev's lookup table (Eisenbud and others, NSDI 2016, section 3.4): what slot tables are compared with.

use lb_user::slots::Member;
use siphasher::sip::SipHasher13;

/// Entries: a prime; what katran has, and the paper's smaller one.
pub const SIZE: u32 = 65_537;

/// The id of the owner of each of `size` entries, a prime number of them.
///
/// Backends take turns; each takes the next free entry in an order of its own. One of less than the greatest weight
/// sits out turns in proportion.
pub fn fill(members: &[Member<'_>], size: u32, seed: [u8; 16]) -> Vec<u32> {
    const FREE: u32 = u32::MAX;
    let mut table = vec![FREE; size as usize];
    let hash = |kind: u8, name: &str| {
        let named = [&[kind], name.as_bytes()].concat();
        SipHasher13::new_with_key(&seed).hash(&named)
    };
    let mut takers: Vec<_> = members
        .iter()
        .filter(|member| member.weight > 0)
        .map(|member| {
            let offset = hash(b'o', member.name) % u64::from(size);
            let skip = hash(b's', member.name) % u64::from(size - 1) + 1;
            (member, offset, skip, 0)
        })
        .collect();
    // Their order breaks ties: that of the names, as every node must have the same.
    takers.sort_unstable_by_key(|(member, ..)| member.name);
    let Some(most) = takers.iter().map(|(member, ..)| member.weight).max() else { return table };
    let mut free = size;
    loop {
        for (member, next, skip, credit) in &mut takers {
            *credit += member.weight;
            if *credit < most {
                continue;
            }
            *credit -= most;
            while table[*next as usize] != FREE {
                *next = (*next + *skip) % u64::from(size);
            }
            table[*next as usize] = member.id;
            free -= 1;
            if free == 0 {
                return table;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_weights() {
        let member = |id, name, weight| Member { name, weight, id };
        let table = fill(&[member(1, "a", 100), member(2, "b", 50), member(3, "c", 0)], SIZE, [7; 16]);
        let owned = |id| table.iter().filter(|&&owner| owner == id).count();
        assert!(owned(1).abs_diff(2 * owned(2)) < 4, "{} and {}", owned(1), owned(2));
        assert_eq!(owned(1) + owned(2), SIZE as usize);
    }

    /// Section 5.3 of the paper: some percent more than must.
    #[test]
    fn removing_one_moves_others_too() {
        let names: Vec<_> = (0..32).map(|n| format!("web-{n}")).collect();
        let members: Vec<_> =
            names.iter().zip(0..).map(|(name, id)| Member { name, weight: 100, id }).collect();
        let (before, after) = (fill(&members, SIZE, [7; 16]), fill(&members[1..], SIZE, [7; 16]));
        let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count() as f64;
        let owned = before.iter().filter(|&&owner| owner == 0).count() as f64;
        assert!((1.05..1.3).contains(&(moved / owned)), "{}", moved / owned);
    }
}
