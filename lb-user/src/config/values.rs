//! Single values: from what the file has to what is meant, or to words on why not.

pub(super) mod http;

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use humantime::{format_duration, parse_duration};
use ipnet::IpNet;
use lb_common::quic::scheme::{Key, Scheme};
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

/// What [`port_or_any`] reads, for errors.
pub(super) const A_PORT_OR_ANY: &str = r#"an integer in 1..=65535, or "any""#;

/// A port, or 0 for `any`.
pub(super) fn port_or_any(key: &str, value: &DeValue<'_>) -> Result<RangeInclusive<u16>, String> {
    match value {
        DeValue::String(word) if word == "any" => Ok(0..=0),
        DeValue::String(word) => Err(format!("{key} {word:?} is neither a number nor \"any\"")),
        number => integer(key, number, &PORTS).map(|port| port..=port),
    }
}

/// What [`port_span`] reads, for errors.
pub(super) const A_PORT_SPAN: &str =
    r#"ports in 1..=65535 and ranges of them such as [80, 443, "8000-8099"]"#;

/// A port, or the first and the last of several.
pub(super) fn port_span(key: &str, value: &DeValue<'_>) -> Result<RangeInclusive<u16>, String> {
    let DeValue::String(text) = value else {
        return integer(key, value, &PORTS).map(|port| port..=port);
    };
    match ports(text)? {
        (0, _) => Err(format!("{text:?} begins with port 0, which nobody could call")),
        (first, last) if first > last => Err(format!("the range {text:?} runs backwards")),
        (first, last) => Ok(first..=last),
    }
}

const PORTS: RangeInclusive<i128> = 1..=65_535;

/// What [`key`] reads, for errors.
pub(super) const A_KEY: &str = "16 octets as 32 hexadecimal digits in quotes";

/// A key; errors don't repeat it.
pub(super) fn key(text: &str) -> Result<Key, String> {
    let octets = hex(text).ok_or("key has characters that are no hexadecimal digits, or half an octet")?;
    let length = octets.len();
    octets.try_into().map(Key).map_err(|_| format!("key has {length} octets, and AES-128 takes 16"))
}

/// What [`server_id`] reads, for errors.
pub(super) const A_SERVER_ID: &str =
    r#"1 to 15 octets as hexadecimal digits in quotes such as "01" or "00a7""#;

pub(super) fn server_id(text: &str) -> Result<Vec<u8>, String> {
    let octets = hex(text).ok_or_else(|| format!("server_id {text:?} is not in hexadecimal digits"))?;
    let length = octets.len();
    if (1..=usize::from(Scheme::LONGEST_SERVER_ID)).contains(&length) {
        Ok(octets)
    } else {
        Err(format!("server_id {text:?} has {length} octets"))
    }
}

/// Octets from their hexadecimal digits, two each.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks();
    rest.is_empty().then_some(())?;
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// What [`ports`] reads, for errors.
pub(super) const A_PORT_RANGE: &str = r#"the first and the last port in quotes such as "1024-32767""#;

pub(super) fn ports(text: &str) -> Result<(u16, u16), String> {
    text.split_once('-')
        .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)))
        .ok_or_else(|| format!("{text:?} is not a range of ports"))
}
