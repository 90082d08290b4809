//! Rules for `[service.access]`.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use super::{Service, rules};
use crate::{
    access::{AccessList, Admission, Prefix, Rule},
    config::{
        prefixes::{Listed, Spot},
        raw,
        report::{At, Report},
    },
};

/// The list of a service at `address`; none where everybody may come.
pub(super) fn access(
    raw: &raw::Access,
    address: Option<&At<IpAddr>>,
    report: &Report<'_>,
) -> Option<Option<Arc<AccessList>>> {
    let (allow, deny) = (raw.allow.as_ref()?, raw.deny.as_ref()?);
    let address = address?.value;
    if let Some(file) = raw.allow_file.as_ref().filter(|_| allow.is_empty()) {
        report.error(
            &file.place,
            format!("{:?} has no prefixes", file.value),
            "without any prefix to allow everybody would be let in: fill the file, or remove allow_file",
        );
        return None;
    }
    if allow.is_empty() && deny.is_empty() {
        return Some(None);
    }
    // Each part reports its own errors, so none may keep another from being looked at.
    let same_family = [allow, deny].map(|side| check_family(side, address, report));
    let disjoint = check_disjoint(allow, deny, report);
    if !disjoint || same_family.contains(&false) {
        return None;
    }
    let rule = |listed: &Listed, admission| Rule { prefix: listed.net.into(), admission };
    let mut rules: Vec<_> = allow.iter().map(|listed| rule(listed, Admission::Allow)).collect();
    rules.extend(deny.iter().map(|listed| rule(listed, Admission::Deny)));
    // Everybody else; a prefix of length 0 in the file came first and stays.
    let admission = if allow.is_empty() { Admission::Allow } else { Admission::Deny };
    rules.push(Rule { prefix: Prefix::whole(address.is_ipv6()), admission });
    let list = AccessList::new(rules);
    if !list.admits_anybody() {
        report.error(
            &raw.place,
            "the access list lets nobody in",
            "allow a prefix that `deny` does not cover with longer ones, or remove the service",
        );
    }
    Some(Some(list.into()))
}

fn check_family(side: &[Listed], service: IpAddr, report: &Report<'_>) -> bool {
    let others = side.iter().filter(|listed| !rules::same_family(listed.net.addr(), service));
    let family = rules::family(service);
    let mut none = true;
    for Listed { net, spot } in others {
        none = false;
        spot.error(
            report,
            format!("{net} is of another family than its {family} service"),
            format!("give {family} prefixes; the clients of the service have no other addresses"),
        );
    }
    none
}

/// A prefix that occurs twice on one side does no harm: lists are often put together from several.
fn check_disjoint(allow: &[Listed], deny: &[Listed], report: &Report<'_>) -> bool {
    let allowed: HashMap<_, &Spot> = allow.iter().map(|listed| (listed.net, &listed.spot)).collect();
    let mut disjoint = true;
    for Listed { net, spot } in deny {
        if let Some(other) = allowed.get(net) {
            disjoint = false;
            spot.error(
                report,
                format!("{net} is denied here and allowed at {}", other.words(report)),
                "keep it on one side; a longer prefix on the other makes an exception from it",
            );
        }
    }
    disjoint
}

/// Makes services with the same rules share one list; returns where in `services` each list comes first.
pub(super) fn share(services: &mut [Service]) -> Vec<(usize, Arc<AccessList>)> {
    let mut lists: Vec<(usize, Arc<AccessList>)> = Vec::new();
    for (at, service) in services.iter_mut().enumerate() {
        let Some(list) = &mut service.access else { continue };
        match lists.iter().find(|(_, known)| known == list) {
            Some((_, known)) => *list = Arc::clone(known),
            None => lists.push((at, Arc::clone(list))),
        }
    }
    lists
}
