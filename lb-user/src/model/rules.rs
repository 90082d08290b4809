//! Rules that several parts of the model share.

use std::{collections::HashMap, hash::Hash, net::IpAddr};

use crate::config::report::{At, Place, Report};

/// Longest name of a service or backend, in bytes.
const MAX_NAME: usize = 63;

/// Reports a name that would be trouble in a command line, a label or a table.
pub(super) fn name(name: &At<String>, report: &Report<'_>) {
    let well_formed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(1..=MAX_NAME).contains(&name.value.len()) || !name.value.bytes().all(well_formed) {
        report.error(
            &name.place,
            format!("{:?} can't be a name", name.value),
            format!("use 1 to {MAX_NAME} of the letters a-z and A-Z, digits, '.', '_' and '-'"),
        );
    }
}

/// Reports an address that no single host can have; `what` is what it is for.
pub(super) fn host_address(address: &At<IpAddr>, what: &str, report: &Report<'_>) {
    let kind = match address.value {
        ip if ip.is_unspecified() => "the unspecified address",
        ip if ip.is_multicast() => "a multicast address",
        ip if ip.is_loopback() => "a loopback address",
        IpAddr::V4(ip) if ip.is_broadcast() => "the broadcast address",
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => "an IPv4 address in IPv6 notation",
        _ => return,
    };
    let help = match address.value.to_canonical() {
        canonical if canonical == address.value => {
            "give a unicast address that other hosts can reach".to_owned()
        }
        canonical => format!("write it as \"{canonical}\""),
    };
    report.error(&address.place, format!("{}, {kind}, can't be {what}", address.value), help);
}

/// Whether two addresses are of one family.
pub(super) fn same_family(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4()
}

/// `IPv4` or `IPv6`.
pub(super) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Reports each item whose key an earlier one has; `message` says it in words, before ` at line N`.
pub(super) fn unique<'a, K: Hash + Eq>(
    items: impl IntoIterator<Item = (K, &'a Place)>,
    message: impl Fn(&K) -> String,
    help: &str,
    report: &Report<'_>,
) {
    let mut lines: HashMap<K, usize> = HashMap::new();
    for (key, place) in items {
        if let Some(line) = lines.get(&key) {
            report.error(place, format!("{} at line {line}", message(&key)), help);
        } else {
            lines.insert(key, report.line(place));
        }
    }
}

/// Where the file gives a setting, if it does.
pub(super) fn given<T>(setting: Option<&At<T>>) -> Option<&Place> {
    setting.filter(|at| at.given).map(|at| &at.place)
}

/// Reports a setting that the file gives and that changes nothing, because of another one.
pub(super) fn no_effect<T>(setting: Option<&At<T>>, because: &str, report: &Report<'_>) {
    if let Some(place) = given(setting) {
        let key = key(place);
        report.error(
            place,
            format!("{key} has no effect with {because}"),
            format!("remove {key}, or choose another value than {because}"),
        );
    }
}

/// Reports a setting at `place` that changes nothing, because another one is missing.
pub(super) fn no_effect_without(place: Option<&Place>, missing: &str, report: &Report<'_>) {
    if let Some(place) = place {
        let key = key(place);
        let help = format!("set {missing}, or remove {key}");
        report.error(place, format!("{key} has no effect without {missing}"), help);
    }
}

fn key(place: &Place) -> &str {
    place.key.rsplit(" . ").next().unwrap_or_default()
}
