//! Masks: clients of a service that are identified by another number of bits.
//!
//! Like access lists they are written under a number of their own and put into force by the service's entry. Each
//! service has two numbers, and uses them in turn.

use lb_common::{
    net::Ip,
    state::{AccessKey, Service},
};

use super::{Plan, State, Step};
use crate::model;

/// The entries of a service's masks as the list of this number.
fn entries(service: &model::Service, number: u32) -> Vec<(AccessKey, u32)> {
    // An IPv4 address is the last 32 bits of an IPv6 one.
    let whole = |prefix: &ipnet::IpNet, bits: u8| 128 - u32::from(prefix.max_prefix_len() - bits);
    let mut entries: Vec<_> = service
        .persistence
        .masks
        .iter()
        .map(|(prefix, bits)| {
            let key = AccessKey::new(number, Ip::from(prefix.network()), whole(prefix, prefix.prefix_len()));
            (key, whole(prefix, *bits))
        })
        .collect();
    entries.sort_unstable();
    entries
}

impl Plan {
    /// Writes a service's masks, and returns the number of their list; 0 without any. `before` is the service's entry
    /// as it is, if it has one.
    pub(super) fn masks(
        &mut self,
        current: &State,
        service: &model::Service,
        number: u32,
        before: Option<&Service>,
    ) -> u32 {
        if service.persistence.masks.is_empty() {
            return 0;
        }
        let before = before.map_or(0, |entry| entry.masks);
        let in_force = current.masks.get(&before);
        if in_force.is_some_and(|entries| *entries == self::entries(service, before)) {
            return before;
        }
        let list = if before == 2 * number { 2 * number + 1 } else { 2 * number };
        // An earlier daemon may not have come to its end.
        self.remove_masks(|number| number == list);
        let entries = entries(service, list);
        self.steps.push(Step::AddMasks(entries.clone()));
        self.next.masks.insert(list, entries);
        list
    }

    /// Masks that no service has any more.
    pub(super) fn forget_masks(&mut self) {
        let in_force: Vec<_> = self.next.services.values().map(|service| service.entry.masks).collect();
        self.remove_masks(|number| !in_force.contains(&number));
    }

    fn remove_masks(&mut self, goes: impl Fn(u32) -> bool) {
        let gone = self.next.masks.extract_if(.., |number, _| goes(*number));
        let keys: Vec<_> = gone.flat_map(|(_, entries)| entries).map(|(key, _)| key).collect();
        if !keys.is_empty() {
            self.steps.push(Step::RemoveMasks(keys));
        }
    }
}
