//! Single values: from what the file has to what is meant, or to words on why not.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use humantime::{format_duration, parse_duration};
use ipnet::IpNet;
use toml::de::DeValue;

use super::words::did_you_mean;

/// `key` must be one thing and is another.
pub(super) fn wrong_type(key: &str, expected: &str, found: &DeValue<'_>) -> String {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    format!("{key} must be {expected}, not {found}")
}

pub(super) fn string<'v>(key: &str, value: &'v DeValue<'_>) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| wrong_type(key, "a string", value))
}

pub(super) fn integer<T: TryFrom<i128>>(
    key: &str,
    value: &DeValue<'_>,
    bounds: &RangeInclusive<i128>,
) -> Result<T, String> {
    let DeValue::Integer(integer) = value else {
        return Err(wrong_type(key, "an integer", value));
    };
    i128::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|number| bounds.contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| format!("{key} {integer} is out of range"))
}

pub(super) fn duration(key: &str, text: &str, bounds: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration =
        parse_duration(text).map_err(|error| format!("{key} {text:?} is not a duration: {error}"))?;
    if bounds.contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("{key} {} is out of range", format_duration(duration)))
    }
}

/// What [`address`] reads, for errors.
pub(super) const AN_ADDRESS: &str = r#"an IPv4 or IPv6 address in quotes such as "192.0.2.10""#;

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not an IP address"))
}

/// What [`prefix`] reads, for errors.
pub(super) const A_PREFIX: &str = r#"addresses or prefixes in quotes such as "10.0.0.0/8""#;

/// A bare address is a prefix of full length.
pub(super) fn prefix(text: &str) -> Result<IpNet, String> {
    let net: IpNet = match text.parse::<IpAddr>() {
        Ok(address) => address.into(),
        Err(_) => text.parse().map_err(|_| format!("{text:?} is not an IP address or prefix"))?,
    };
    let complaint = if net.trunc() != net {
        "has bits set beyond its length"
    } else if is_mapped(&net) {
        "is IPv4 in IPv6 notation"
    } else {
        return Ok(net);
    };
    let meant = unmapped(net.trunc());
    Err(format!("{text:?} {complaint}{}", did_you_mean(Some(format!("{:?}", meant.to_string())))))
}

fn is_mapped(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(v6) if v6.prefix_len() >= 96 && v6.addr().to_ipv4_mapped().is_some())
}

fn unmapped(net: IpNet) -> IpNet {
    let canonical = net.addr().to_canonical();
    if is_mapped(&net) { IpNet::new(canonical, net.prefix_len() - 96).unwrap_or(net) } else { net }
}

/// What [`listen`] reads, for errors.
pub(super) const A_SOCKET: &str =
    r#"an address and a port in quotes such as "127.0.0.1:7070" or "[::1]:7070""#;

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => Err(format!("{text:?} has port 0, which nobody could find")),
        Ok(address) => Ok(address),
        Err(_) => Err(format!("{text:?} is not an address and port")),
    }
}

/// What [`ports`] reads, for errors.
pub(super) const A_PORT_RANGE: &str = r#"the first and the last port in quotes such as "1024-32767""#;

pub(super) fn ports(text: &str) -> Result<(u16, u16), String> {
    text.split_once('-')
        .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)))
        .ok_or_else(|| format!("{text:?} is not a range of ports"))
}
