//! One entry of a list: the address in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address in an element of `Forwarded`: that of its one `for`.
pub(super) fn of_element(element: &[u8]) -> Option<IpAddr> {
    let is_for = |pair: &&[u8]| pair.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"for="));
    let mut pairs = split_from_end(element, b';').map(<[u8]>::trim_ascii).filter(is_for);
    let value = pairs.next().filter(|_| pairs.next().is_none())?.get(4..)?;
    address(value.strip_prefix(b"\"").map_or(Some(value), |value| value.strip_suffix(b"\""))?)
}

/// The address in `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]`, `[2001:db8::1]:80` or `2001:db8::1`: RFC 7239, section
/// 6, and what is written to `X-Forwarded-For`. The port may be hidden, the address not.
pub(super) fn address(node: &[u8]) -> Option<IpAddr> {
    let node = str::from_utf8(node).ok()?;
    let (address, port) = match node.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), port)
        }
        None => match node.parse::<Ipv6Addr>() {
            Ok(address) => (address.into(), ""),
            Err(_) => {
                let (address, port) = node.split_at(node.find(':').unwrap_or(node.len()));
                (address.parse::<Ipv4Addr>().ok()?.into(), port)
            }
        },
    };
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    is_port.then(|| IpAddr::to_canonical(&address))
}

fn is_port(port: &str) -> bool {
    let is_hidden = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let is_number = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    is_number || port.strip_prefix('_').is_some_and(is_hidden)
}

/// Splits at each `separator` outside of quotes, from the end. From there, because the end is what a trusted proxy has
/// written: a quote that a client left open in front of it would swallow it all, read from the front.
pub(super) fn split_from_end(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut is_quoted = false;
        let at = (0..text.len()).rev().find(|&at| {
            is_quoted ^= text[at] == b'"' && !(is_quoted && is_escaped(text, at));
            text[at] == separator && !is_quoted
        });
        let part = &text[at.map_or(0, |at| at + 1)..];
        rest = at.map(|at| &text[..at]);
        Some(part)
    })
}

/// Whether an odd number of backslashes is in front.
fn is_escaped(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}
