//! Access lists: who may use a service. The longest prefix that covers a client decides.

mod prefix;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use lb_common::state::Admission;
pub use prefix::Prefix;

/// A prefix and what becomes of its addresses, where no longer one covers them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The addresses.
    pub prefix: Prefix,
    /// What becomes of them.
    pub admission: Admission,
}

/// A list: rules in the order of their prefixes, which are all different.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessList(Vec<Rule>);

impl AccessList {
    /// From rules in any order. Of several for one prefix the first stays.
    pub fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort_by_key(|rule| rule.prefix);
        rules.dedup_by_key(|rule| rule.prefix);
        Self(rules)
    }

    /// Its rules.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// The rule that decides for `client`.
    pub fn decides(&self, client: IpAddr) -> Option<&Rule> {
        self.0.iter().filter(|rule| rule.prefix.covers(client)).max_by_key(|rule| rule.prefix.bits())
    }

    /// Rules that say so, apart from the one for everybody else.
    pub fn count(&self, admission: Admission) -> usize {
        let says_so = |rule: &&Rule| rule.admission == admission && !rule.prefix.is_whole();
        self.0.iter().filter(says_so).count()
    }

    /// Rules apart from the one for everybody else.
    pub fn size(&self) -> usize {
        self.0.iter().filter(|rule| !rule.prefix.is_whole()).count()
    }

    /// Is there any address that the list lets in?
    pub fn admits_anybody(&self) -> bool {
        // The prefixes around the current one, outermost first.
        let mut around: Vec<Open> = Vec::new();
        for rule in &self.0 {
            let first = rule.prefix.first();
            while let Some(over) = around.pop_if(|open| open.last < first) {
                if over.admits_until(over.last) {
                    return true;
                }
            }
            if let Some(outer) = around.last_mut() {
                if first.checked_sub(1).is_some_and(|before| outer.admits_until(before)) {
                    return true;
                }
                outer.free = rule.prefix.last().checked_add(1);
            }
            let admits = rule.admission == Admission::Allow;
            around.push(Open { last: rule.prefix.last(), admits, free: Some(first) });
        }
        around.iter().any(|open| open.admits_until(open.last))
    }
}

/// A prefix that is being walked through.
struct Open {
    last: u128,
    admits: bool,
    /// The first address that no prefix inside has covered so far.
    free: Option<u128>,
}

impl Open {
    /// Does it let anybody in, from the first free address up to `end`?
    fn admits_until(&self, end: u128) -> bool {
        self.admits && self.free.is_some_and(|free| free <= end)
    }
}
