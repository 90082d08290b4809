//! Rules for `[[service.persistence.mask]]`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::rules;
use crate::config::{
    defaults, raw,
    report::{At, Report},
};

/// The masks of a service at `address`, in the order of prefixes.
pub(super) fn masks(
    raw: &raw::Persistence,
    address: Option<IpAddr>,
    report: &Report<'_>,
) -> Option<Vec<(IpNet, u8)>> {
    let Some(tables) = &raw.masks else { return Some(Vec::new()) };
    if tables.value.len() > defaults::MASKS {
        let message = format!("{} masks are too many for one service", tables.value.len());
        report.error(&tables.place, message, format!("keep to {}", defaults::MASKS));
    }
    let prefixes = tables.value.iter().filter_map(|mask| mask.prefix.as_ref());
    rules::unique(
        prefixes.map(|prefix| (prefix.value, &prefix.place)),
        |prefix| format!("there is already a mask for {prefix}"),
        "give each prefix one mask",
        report,
    );
    let masks: Vec<_> = tables.value.iter().map(|mask| one(mask, address, report)).collect();
    let mut masks = masks.into_iter().collect::<Option<Vec<_>>>()?;
    masks.sort_unstable();
    Some(masks)
}

fn one(mask: &raw::Mask, address: Option<IpAddr>, report: &Report<'_>) -> Option<(IpNet, u8)> {
    let (At { value: prefix, place, .. }, bits) = (mask.prefix.as_ref()?, mask.bits.as_ref()?);
    if let Some(address) = address
        && !rules::same_family(prefix.addr(), address)
    {
        report.error(
            place,
            format!("{prefix} is of another family than its {} service", rules::family(address)),
            "no client of the service has such an address: remove the mask",
        );
        return None;
    }
    // With fewer bits, clients inside and outside of the prefix could have one key.
    let range = prefix.prefix_len().max(1)..=prefix.max_prefix_len();
    if !range.contains(&bits.value) {
        report.error(
            &bits.place,
            format!("bits = {} can't tell clients in {prefix} apart", bits.value),
            format!("give {} to {}: bits of the address that count", range.start(), range.end()),
        );
        return None;
    }
    Some((*prefix, bits.value))
}
